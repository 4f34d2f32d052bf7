"""Word vectors from a static embedding model (Model2Vec) that lies in a directory.

Such a model is a table of vectors of word pieces; a text is their mean. Reading a word once and
remembering its vote costs a request nothing, so that it takes the shipped table's place as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from tierwise_core.errors import TierwiseError
from tierwise_router.classifier.knowledge import (
    ShippedWords,
    Vector,
    WordKnowledge,
    shipped_words,
)

__all__ = ["StaticModelError", "StaticWords", "known_words"]


LEAST_LENGTH: Final = 1e-3


class StaticModelError(TierwiseError):
    """A static embedding model cannot be used; the message says why and what would help."""

    reason = "UnusableWordVectors"


@dataclass(frozen=True, slots=True, eq=False)
class StaticWords:
    """The words of a static model. Which are common, the shipped table says."""

    name: str
    model: Any = field(repr=False)
    centre: Vector = field(repr=False)
    length: float
    shipped: ShippedWords = field(repr=False)

    @classmethod
    def load(cls, path: str) -> StaticWords:
        """Read a directory; raises StaticModelError. Nothing is downloaded."""
        if find_spec("model2vec") is None:
            raise StaticModelError(
                f"the word vectors in {path} need model2vec: pip install 'tierwise[embeddings]'"
            )
        from model2vec import StaticModel  # noqa: PLC0415 - an extra that few need

        if not (Path(path) / "config.json").is_file():
            raise StaticModelError(
                f"{path} holds no static embedding model: it has no config.json beside "
                "tokenizer.json and model.safetensors"
            )
        try:
            model = StaticModel.from_pretrained(path, normalize=False)
        except Exception as error:  # whatever a damaged file makes the library raise
            raise StaticModelError(f"the word vectors in {path} cannot be read: {error}") from error
        shipped = shipped_words()
        common = np.asarray(model.encode(list(shipped.commonest(1000))), dtype=np.float32)
        centre = common.mean(axis=0)
        length = float(np.linalg.norm(common - centre, axis=1).max(initial=LEAST_LENGTH))
        return cls(f"{path}@{common.shape[1]}", model, centre, length, shipped)

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return len(self.centre)

    def vector(self, word: str) -> Vector | None:
        """Read the vector of one word; every word has one, if only that of its pieces."""
        return np.asarray(self.vectors([word])[0], dtype=np.float32)

    def vectors(self, words: Sequence[str]) -> Vector:
        """Read the vectors of many words, less what all have in common, weighed by rarity.

        The longest common word gets the length 1, so that sums of squares fit in their lanes. A
        word that the model does not know keeps the vector 0.
        """
        if not words:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        found = np.asarray(self.model.encode(list(words)), dtype=np.float32)
        found[found.any(axis=1)] -= self.centre
        weights = np.array([self.shipped.weight(word) for word in words], dtype=np.float32)
        return found * (weights / self.length)[:, None]

    def commonest(self, most: int) -> tuple[str, ...]:
        """Name the commonest words of the shipped table."""
        return self.shipped.commonest(most)


def known_words(path: str) -> WordKnowledge:
    """Give the words of the model in a directory, or the shipped ones where none is named."""
    return StaticWords.load(path) if path else shipped_words()
