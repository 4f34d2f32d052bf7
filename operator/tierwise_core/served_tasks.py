"""What a model can do: generate, embed, score pairs, classify, transcribe.

The engine decides by the architecture of the model's config, unless its arguments say otherwise
(``--runner``, ``--convert``, formerly ``--task``). The router asks because not everybody can be
asked everything: a model that embeds has no part in a cascade, and a client that leaves the choice
of an embedding model to the router is told whom it may name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

__all__ = ["Task", "last_value", "served_tasks"]

Task = Literal["generate", "embed", "score", "classify", "transcribe"]

GENERATES: Final[frozenset[Task]] = frozenset({"generate"})
EMBEDS: Final[frozenset[Task]] = frozenset({"embed", "score"})
"""Two embeddings make a score: their cosine."""
CLASSIFIES: Final[frozenset[Task]] = frozenset({"classify", "score"})
BY_WORD: Final[Mapping[str, frozenset[Task]]] = {
    "generate": GENERATES,
    "embed": EMBEDS,
    "embedding": EMBEDS,
    "pooling": EMBEDS,
    "reward": frozenset({"classify"}),
    "classify": CLASSIFIES,
    "score": CLASSIFIES,
    "rerank": CLASSIFIES,
    "transcription": frozenset({"transcribe"}),
}
"""What the words mean that ``--runner``, ``--convert`` and ``--task`` take."""

BY_ENDING: Final[tuple[tuple[str, frozenset[Task]], ...]] = (
    ("ForCausalLM", GENERATES),
    ("ForSequenceClassification", CLASSIFIES),
    ("ForTokenClassification", CLASSIFIES),
    ("ForRewardModel", frozenset({"classify"})),
    ("RewardModel", frozenset({"classify"})),
    ("EmbeddingModel", EMBEDS),
    ("ForMaskedLM", EMBEDS),
    ("Model", EMBEDS),
)
"""How the names of architectures end, the first that fits."""

TRANSCRIBERS: Final = ("Whisper", "Voxtral", "Parakeet", "GraniteSpeech")


def served_tasks(architecture: str | None, arguments: Sequence[str] = ()) -> frozenset[Task]:
    """Say what a model serves; empty where nobody knows, so that it is asked and says itself.

    >>> sorted(served_tasks("Qwen3ForCausalLM"))
    ['generate']
    >>> sorted(served_tasks("Qwen3ForCausalLM", ["--runner", "pooling", "--convert=classify"]))
    ['classify', 'score']
    >>> sorted(served_tasks("BertModel")), sorted(served_tasks("WhisperForConditionalGeneration"))
    (['embed', 'score'], ['transcribe'])
    >>> served_tasks(None)
    frozenset()
    """
    for option in ("--convert", "--task", "--runner"):
        if (word := last_value(arguments, option)) is not None and word in BY_WORD:
            return BY_WORD[word]
    if not architecture:
        return frozenset()
    if architecture.startswith(TRANSCRIBERS):
        return frozenset({"transcribe"})
    return next((tasks for end, tasks in BY_ENDING if architecture.endswith(end)), GENERATES)


def last_value(arguments: Iterable[str], option: str) -> str | None:
    """Find what an option is given, behind it or after an equals sign; of several the last counts.

    >>> last_value(["--max-model-len", "4096", "--max-model-len=8192"], "--max-model-len")
    '8192'
    """
    found, before = None, ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if before == option:
            found = argument
        elif equals and name == option:
            found = value
        before = argument
    return found
