"""Training: ridge regression on the examples, and what it would say of each if left out.

The scores are the posterior mean of a Gaussian process: near an example of a field they approach
1, far from all examples 0, so that the best score is an out-of-domain score as well. What the
scores of one example, or of a whole field, would be had they not been trained on has a closed
form; that gives honest material for calibration without training twice. It needs the inverse of a
matrix as wide as there are examples; thousands are solved by conjugate gradients instead, and
calibrated on examples that were really left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from tierwise_router.classifier.calibration import DomainGate, fit_temperature
from tierwise_router.classifier.corpus import OUTSIDE, Corpus, build_corpus
from tierwise_router.classifier.gradients import solve_by_gradients
from tierwise_router.classifier.knowledge import WordKnowledge
from tierwise_router.classifier.votes import Learned, Votes

__all__ = ["Step", "Trained", "train", "train_exactly"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Step = Callable[[str], None]

RIDGE: Final = 0.3
MOST_EXACT: Final = 2500
"""Up to so many texts the exact solution takes about a second."""

MOST_HELD_OUT: Final = 2000
HELD_OUT_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Trained:
    """What prediction needs; ``fields`` are those that have examples, in the votes' order."""

    fields: tuple[str, ...]
    votes: Votes
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


def train(
    examples: Mapping[str, Sequence[str]],
    background: Sequence[str],
    known: WordKnowledge,
    step: Step = lambda _said: None,
) -> Trained:
    """Train on the examples of each field; the same examples give the same result."""
    chosen = {name: texts for name, texts in examples.items() if texts}
    texts = [text for of_field in chosen.values() for text in of_field]
    labels = [number for number, of_field in enumerate(chosen.values()) for _ in of_field]
    step(f"counting the terms of {len(texts):,} examples")
    corpus = build_corpus(texts, labels, background, known)
    # One thread: a dispatcher is serving meanwhile.
    with threadpool_limits(limits=1, user_api="blas"):
        solve = _exactly if len(corpus.labels) <= MOST_EXACT else _by_gradients
        dual, temperature, gate = solve(corpus, len(chosen), step)
    step("adding up the votes of words")
    return Trained(tuple(chosen), _votes(corpus, dual, known), temperature, gate)


def _votes(corpus: Corpus, dual: Singles, known: WordKnowledge) -> Votes:
    learned = Learned(
        columns=corpus.columns,
        pairs=corpus.pairs,
        idf=corpus.idf,
        unknown_idf=corpus.unknown_idf,
        terms=np.asarray(corpus.matrix.T @ dual, dtype=np.float32),
        meaning=corpus.meaning.T @ dual,
        known=known,
    )
    return Votes(learned)


def _targets(corpus: Corpus, fields: int) -> Singles:
    targets = np.zeros((len(corpus.labels), fields), dtype=np.float32)
    inside = np.flatnonzero(corpus.labels != OUTSIDE)
    targets[inside, corpus.labels[inside]] = 1.0
    return targets


def _exactly(corpus: Corpus, fields: int, step: Step) -> tuple[Singles, float, DomainGate]:
    step("solving")
    ridge = _solve(corpus, fields)
    inside = np.flatnonzero(corpus.labels != OUTSIDE)
    temperature = fit_temperature(ridge.without_each()[inside], corpus.labels[inside])
    return ridge.dual, temperature, _fit_gate(corpus, ridge, fields)


def train_exactly(corpus: Corpus, fields: int) -> tuple[Singles, float, DomainGate]:
    """Solve a corpus of any kind: the dual weights, the temperature and the domain's gate."""
    with threadpool_limits(limits=1, user_api="blas"):
        return _exactly(corpus, fields, lambda _said: None)


def _solve(corpus: Corpus, fields: int) -> _Ridge:
    targets = _targets(corpus, fields)
    kernel = np.asarray((corpus.matrix @ corpus.matrix.T).todense(), dtype=np.float32, order="F")
    kernel += corpus.meaning @ corpus.meaning.T
    diagonal = np.diag_indices_from(kernel)
    kernel[diagonal] += RIDGE
    # The ridge makes the matrix positive definite.
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


def _by_gradients(corpus: Corpus, fields: int, step: Step) -> tuple[Singles, float, DomainGate]:
    """Solve many: held-out examples calibrate the field, an exact selection the domain."""
    held = _evenly(np.flatnonzero(corpus.labels != OUTSIDE), MOST_HELD_OUT)
    held = held[: max(1, int(HELD_OUT_SHARE * len(corpus.labels)))] if len(held) else held
    rest = np.setdiff1d(np.arange(len(corpus.labels)), held)
    part = corpus.rows(rest)
    step("solving without a tenth, to calibrate")
    dual = solve_by_gradients(part.matrix, part.meaning, _targets(part, fields), RIDGE)
    scores = np.asarray(corpus.matrix[held] @ (part.matrix.T @ dual))
    scores += corpus.meaning[held] @ (part.meaning.T @ dual)
    temperature = fit_temperature(scores, corpus.labels[held])
    step("leaving out fields, to calibrate")
    few = corpus.rows(_evenly(np.arange(len(corpus.labels)), MOST_EXACT))
    gate = _fit_gate(few, _solve(few, fields), fields)
    step("solving")
    every = solve_by_gradients(corpus.matrix, corpus.meaning, _targets(corpus, fields), RIDGE)
    return every, temperature, gate


def _evenly(numbers: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    if len(numbers) <= most:
        return numbers
    return numbers[np.arange(most) * len(numbers) // most]
