"""What is trained: the size, the questions and the stopping point of each model."""

from dataclasses import dataclass
from typing import Final

CONTEXT_TOKENS: Final = 256
HEAD_DIM: Final = 32
"""vLLM's CPU attention needs at least 32."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made.

    ``shares`` weighs the families in the training questions. Training ends when the accuracy on
    checking questions reaches ``target`` or after ``most_steps`` steps of ``batch`` questions;
    the first ``plain_steps`` see plain wordings only. With more ``rounds`` all of that happens again
    from the weights so far, the learning rate high again and the questions new (but none plain).
    """

    name: str
    purpose: str
    shares: dict[str, float]
    most_steps: int
    plain_steps: int
    rounds: int = 1
    target: float = 0.998
    seed: int = 1
    hidden: int = 64
    layers: int = 3
    heads: int = 2
    intermediate: int = 192
    batch: int = 128
    learning_rate: float = 3e-3


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "sorter",
            "Sorts the letters of a word.",
            {"sorting": 1.0},
            most_steps=3000,
            plain_steps=800,
        ),
        Recipe(
            "reverser",
            "Spells a word backwards.",
            {"reversing": 1.0},
            most_steps=3000,
            plain_steps=800,
        ),
        Recipe(
            "adder",
            "Adds and subtracts numbers up to 99.",
            {"arithmetic": 1.0},
            most_steps=4000,
            plain_steps=800,
            rounds=2,
            heads=4,
        ),
        Recipe(
            "generalist",
            "Knows a little of everything: the weak, cheap model that fields fall back on.",
            {"sorting": 0.38, "reversing": 0.27, "arithmetic": 0.32, "shouting": 0.03},
            most_steps=2400,
            plain_steps=400,
            target=0.45,
        ),
        Recipe(
            "frontier",
            "Answers all families well: the strong, costly model at the end of every escalation.",
            {"sorting": 0.22, "reversing": 0.18, "arithmetic": 0.5, "shouting": 0.1},
            most_steps=3000,
            plain_steps=800,
            rounds=2,
            target=0.995,
            hidden=128,
            layers=4,
            heads=4,
            intermediate=352,
            learning_rate=2e-3,
        ),
    )
}
