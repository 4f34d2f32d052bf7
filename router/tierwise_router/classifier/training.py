"""Training: kernel ridge regression on the examples, and what it would say of each if left out.

The scores are the posterior mean of a Gaussian process: near an example of a field they approach
1, far from all examples 0, so that the best score is an out-of-domain score as well. What the
scores of one example, or of a whole field, would be had they not been trained on has a closed
form; that gives honest material for calibration without training twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from tierwise_router.classifier.calibration import DomainGate, fit_temperature
from tierwise_router.classifier.corpus import OUTSIDE, Corpus, build_corpus

__all__ = ["Trained", "train"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

RIDGE: Final = 0.3
MOST_EXAMPLES: Final = 3000


@dataclass(frozen=True, slots=True)
class Trained:
    """What prediction needs. A term's row in ``votes`` is what it adds to each field's score.

    ``fields`` are those that have examples, in the order of the columns of ``votes``.
    """

    fields: tuple[str, ...]
    columns: Mapping[str, int]
    idf: tuple[float, ...]
    unknown_idf: float
    votes: NDArray[np.float32]
    temperature: float
    gate: DomainGate


@dataclass(frozen=True, slots=True)
class _Ridge:
    """The inverse of the ridged kernel matrix, the targets, and the dual weights of the texts."""

    inverse: Singles
    targets: Singles
    dual: Singles

    def without_each(self) -> Singles:
        """Score each text as if only it had been left out: ``y - dual / diagonal``."""
        return self.targets - self.dual / np.diag(self.inverse)[:, None]

    def without(self, group: NDArray[np.int64]) -> Singles:
        """Score the texts of a group as if the whole group had been left out."""
        block = self.inverse[np.ix_(group, group)]
        return self.targets[group] - np.linalg.solve(block, self.dual[group])


def train(examples: Mapping[str, Sequence[str]], background: Sequence[str]) -> Trained:
    """Train on the examples of each field; the same examples give the same result.

    Above 3,000 examples each field contributes an even selection of its own.
    """
    chosen = _bounded({name: texts for name, texts in examples.items() if texts})
    texts = [text for of_field in chosen.values() for text in of_field]
    labels = [number for number, of_field in enumerate(chosen.values()) for _ in of_field]
    corpus = build_corpus(texts, labels, background)
    ridge = _solve(corpus, len(chosen))
    inside = np.flatnonzero(corpus.labels != OUTSIDE)
    return Trained(
        fields=tuple(chosen),
        columns=corpus.columns,
        idf=tuple(corpus.idf.tolist()),
        unknown_idf=corpus.unknown_idf,
        votes=np.asarray((corpus.matrix.T @ ridge.dual) * corpus.idf[:, None], dtype=np.float32),
        temperature=fit_temperature(ridge.without_each()[inside], corpus.labels[inside]),
        gate=_fit_gate(corpus, ridge, len(chosen)),
    )


def _bounded(examples: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    total = sum(len(texts) for texts in examples.values())
    if total <= MOST_EXAMPLES:
        return dict(examples)
    share = MOST_EXAMPLES / total
    return {
        name: _evenly(texts, max(1, int(len(texts) * share))) for name, texts in examples.items()
    }


def _evenly(texts: Sequence[str], count: int) -> Sequence[str]:
    return [texts[index * len(texts) // count] for index in range(count)]


def _solve(corpus: Corpus, fields: int) -> _Ridge:
    targets = np.zeros((len(corpus.labels), fields), dtype=np.float32)
    inside = np.flatnonzero(corpus.labels != OUTSIDE)
    targets[inside, corpus.labels[inside]] = 1.0
    kernel = np.asarray((corpus.matrix @ corpus.matrix.T).todense(), dtype=np.float32, order="F")
    diagonal = np.diag_indices_from(kernel)
    kernel[diagonal] += RIDGE
    # One thread: a dispatcher is serving meanwhile. The ridge makes the matrix positive definite.
    with threadpool_limits(limits=1, user_api="blas"):
        factor, _ = lapack.spotrf(kernel, lower=True, clean=True, overwrite_a=True)
        inverse, _ = lapack.spotri(factor, lower=True, overwrite_c=True)
    inverse += inverse.T
    inverse[diagonal] /= 2
    return _Ridge(inverse, targets, inverse @ targets)


def _fit_gate(corpus: Corpus, ridge: _Ridge, fields: int) -> DomainGate:
    """Tell insiders from outsiders: each example left out alone, against each field left out."""
    alone = _seen(ridge.without_each(), corpus.unknown_alone())
    outsiders = [alone[corpus.labels == OUTSIDE], *_strangers(corpus, ridge, fields)]
    return DomainGate.fit(alone[corpus.labels != OUTSIDE], np.vstack(outsiders))


def _strangers(corpus: Corpus, ridge: _Ridge, fields: int) -> Iterator[Floats]:
    """See every field as the others would, had it no Specialist: real questions of nobody."""
    for number in range(fields if fields > 1 else 0):
        group = np.flatnonzero(corpus.labels == number)
        yield _seen(ridge.without(group), corpus.unknown_without(group))


def _seen(scores: Singles, unknown: Floats) -> Floats:
    return np.column_stack([scores.max(axis=1), unknown])
