"""The shipped word vectors: what the distilling solves, and what the classifier gets from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from tierwise_router.classifier import FieldClassifier
from tierwise_router.classifier.knowledge import ShippedWords, shipped_words
from word_vectors import HELD, counts_of, distilled, packed

CLINIC = ("my doctor is worried about my blood", "which pills help against a fever")
COURT = ("the judge read the contract aloud", "is this clause void in court")
BY_MEANING = FieldClassifier.train({"medicine": CLINIC, "law": COURT})


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("a physician prescribed antibiotics", "medicine"),
        ("symptoms of pneumonia", "medicine"),
        ("the attorney drafted an indictment", "law"),
        ("statutory liability of the plaintiff", "law"),
    ],
)
def test_words_that_no_example_has_vote_with_those_they_resemble(text: str, field: str) -> None:
    shares = BY_MEANING.read(text).probabilities

    assert max(shares, key=shares.__getitem__) == field


def test_a_word_counts_once_however_often_it_is_said() -> None:
    few, many = (BY_MEANING.read("the judge is ill " * times) for times in (2, 30))

    assert few == many


def test_the_votes_that_are_told_add_up_to_the_difference_that_they_make() -> None:
    votes = BY_MEANING.trained.votes if BY_MEANING.trained else None
    assert votes is not None
    scores, _ = votes.read("the doctor and the judge")

    told = [sum(vote for _, vote in votes.shares("the doctor and the judge", n)) for n in (0, 1)]

    # The pair that ends the text is nobody's word.
    assert told == pytest.approx(scores, abs=0.05)


def test_the_distilled_vectors_are_where_the_loss_is_flat() -> None:
    words = ["red", "blue", "sky", "rose"]
    sentences = ["red rose", "blue sky", "red sky", "blue rose rose rose"]
    counts = counts_of(sentences, words)
    directions = np.linalg.qr(np.arange(16.0).reshape(4, 4) + 5 * np.eye(4))[0].astype(np.float32)
    guess = np.eye(4, dtype=np.float32)

    found = distilled(counts, directions, guess)

    rows = sparse.diags_array(1 / np.linalg.norm(counts @ guess, axis=1)) @ counts
    start = guess * np.sum((rows @ guess) * directions) / np.sum((rows @ guess) ** 2)
    slope = rows.T @ (rows @ found - directions) + HELD * (found - start)
    assert counts.max() == 2
    assert np.abs(slope).max() < 1e-4


def test_packing_keeps_a_vector_within_half_a_level() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)

    levels, scales = packed(vectors)
    table = ShippedWords(
        {str(row): row for row in range(50)}, np.arange(50, dtype=np.uint32), levels, scales
    )

    assert levels.shape == (50, 4)
    error = np.abs(table.vectors([str(row) for row in range(50)]) - vectors)
    assert (error <= 0.51 * scales.astype(np.float32)[:, None]).all()


def test_a_word_that_the_table_lacks_has_no_vector() -> None:
    assert shipped_words().vector("zzzqx") is None
    assert shipped_words().weight("zzzqx") == 1.0
