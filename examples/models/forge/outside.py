"""Everyday questions that belong to no family: nobody here has an answer to them."""

from itertools import product
from typing import Final

OPENINGS: Final = (
    "What is the capital of {}?",
    "How do I get to {}?",
    "Tell me a story about {}",
    "Who lives in {}?",
    "Why do people like {}?",
    "Write a poem about {}.",
    "Is {} worth a visit in winter?",
    "explain the history of {} please",
    "Translate this into the language of {}: good morning",
    "List three facts about {}",
)
TOPICS: Final = ("France", "the Black Forest", "Lisbon", "old castles", "Kenya", "jazz", "the sea")
MORE: Final = (
    "hello",
    "Good morning, how are you?",
    "My invoice is wrong. What can I do?",
    "Fix this Python function: def f(x) return x",
    "What are the side effects of aspirin?",
    "Is a verbal agreement binding?",
    "When was the printing press invented?",
    "thanks!",
)


def outside_questions() -> list[str]:
    """List all of them: 78 questions, always the same."""
    return [opening.format(topic) for opening, topic in product(OPENINGS, TOPICS)] + list(MORE)
