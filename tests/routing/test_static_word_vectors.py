"""A static embedding model from a directory takes the place of the shipped word vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from model2vec import StaticModel
from routes import SORTING, a_route
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from tierwise_core.policy_classifier import ClassifierPolicy
from tierwise_core.route_table import RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_router.brain import Brain
from tierwise_router.classifier import FieldClassifier
from tierwise_router.classifier.static_model import StaticModelError, known_words

EXAMPLES = {
    "medicine": ("doctor pills", "pills doctor fever", "fever doctor"),
    "law": ("judge contract", "contract court judge", "court judge"),
}
SIDES = {
    "medicine": ("doctor", "pills", "fever", "zorgle"),
    "law": ("judge", "contract", "court", "plonty"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose vectors point to one side for medicine and to the other for law."""
    words = ["[UNK]", *SIDES["medicine"], *SIDES["law"]]
    tokenizer = Tokenizer(WordLevel({word: row for row, word in enumerate(words)}, "[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    vectors = np.zeros((len(words), 4), dtype=np.float32)
    vectors[1:5, 0] = 1.0
    vectors[5:9, 1] = 1.0
    folder = tmp_path_factory.mktemp("static") / "model"
    StaticModel(vectors, tokenizer).save_pretrained(folder)
    return str(folder)


def test_words_that_no_example_has_vote_by_their_vectors(model: str) -> None:
    shipped = FieldClassifier.train(EXAMPLES)
    known = FieldClassifier.train(EXAMPLES, known=known_words(model))

    assert shipped.read("zorgle").probabilities["medicine"] == pytest.approx(0.5, abs=0.05)
    assert known.read("zorgle").probabilities["medicine"] > 0.58
    assert known.read("plonty").probabilities["law"] > 0.58


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(StaticModelError, match=r"holds no static embedding model"):
        known_words(str(tmp_path))


def test_a_damaged_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")

    with pytest.raises(StaticModelError, match="cannot be read"):
        known_words(str(tmp_path))


def test_a_policy_names_them_and_without_them_the_router_serves_on(model: str) -> None:
    def brain_of(path: str, before: Brain | None = None) -> Brain:
        policy = RouterPolicy(classifier=ClassifierPolicy(word_vectors=path))
        route = a_route("sorter", "sorting", examples=SORTING)
        return Brain.build(RouteTable.of((route,), (), policy), before)

    shipped = brain_of("")
    changed = brain_of(model, shipped)
    absent = brain_of("/absent", changed)

    assert changed.classifier is not shipped.classifier
    assert brain_of(model, changed).classifier is changed.classifier
    assert absent.classifier.read("sort dbca").field == "sorting"
