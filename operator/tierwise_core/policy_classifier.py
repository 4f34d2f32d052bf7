"""What helps the built-in field classifier."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClassifierPolicy", "EmbeddingsEndpoint"]


@dataclass(frozen=True, slots=True)
class EmbeddingsEndpoint:
    """A server of ``POST /embeddings`` in OpenAI's form.

    ``base_url`` is without the last part, as clients want it (``https://api.example.com/v1``).
    ``secret`` is the name and key of a Secret with an API key. A request waits ``timeout_seconds``
    for it at most; ``weight`` is what it counts beside the built-in classifier, from 0 to 1.
    """

    base_url: str
    model: str
    secret: tuple[str, str] | None = None
    timeout_seconds: float = 0.05
    weight: float = 0.7


@dataclass(frozen=True, slots=True)
class ClassifierPolicy:
    """What helps the built-in field classifier.

    ``word_vectors`` is the directory of a static embedding model that takes the place of the
    shipped word vectors; empty for the shipped ones. ``embeddings`` is None where nobody is asked.
    """

    word_vectors: str = ""
    embeddings: EmbeddingsEndpoint | None = None
