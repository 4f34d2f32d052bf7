"""A replay finds the truth that a log was made of, and says honestly what routing is worth."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outcome_logs import question, rows, truth, write_log

from tierwise_router.learning.log_rows import LogError, LogRow, read_log
from tierwise_router.learning.picking import choose_spending
from tierwise_router.learning.predictor import Predictor
from tierwise_router.learning.replay import choose_models, replay
from tierwise_router.learning.report import report

ALL = ("small", "adder", "large")


def replayed(tmp_path: Path, count: int = 1500, **how: Any) -> dict[str, Any]:
    train = read_log(write_log(tmp_path / "train.jsonl", rows(count, 1, **how)))
    test = read_log(write_log(tmp_path / "test.jsonl", rows(1500, 2, **how)))
    return report(replay(train, test, choose_models(train.rows, None, None, None)))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return replayed(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return replayed(tmp_path_factory.mktemp("three"), models=ALL)


def test_it_beats_routing_at_random_and_the_plain_tables(pair: dict[str, Any]) -> None:
    assert pair["apgr"] > 0.66
    assert pair["baselines"]["random"]["apgr"] == pytest.approx(0.5)
    for name in ("field table", "cluster table"):
        assert pair["apgr"] > pair["baselines"][name]["apgr"] + 0.05
    assert pair["apgr"] < pair["oracle"]["apgr"]
    assert pair["cpt50"] < 0.3
    assert pair["cpt80"] < 0.5


def test_the_threshold_keeps_the_quality_for_less(pair: dict[str, Any]) -> None:
    chosen = pair["threshold"]

    assert chosen["accepted"] > pair["best_single"]["accepted"] - 0.02
    assert chosen["cost_usd"] < 0.9 * pair["best_single"]["cost_usd"]
    assert chosen["cost_saved"] == pytest.approx(1 - chosen["cost_usd"] / 0.01)


def test_predictions_are_calibrated(pair: dict[str, Any]) -> None:
    assert pair["ece"] < 0.05
    assert pair["calibration"]["small"]["brier"] < 0.16
    assert sum(one["count"] for one in pair["calibration"]["small"]["bins"]) == 1500


def test_of_many_models_it_beats_the_best_single_one_and_the_tables(three: dict[str, Any]) -> None:
    """The adder is better at adding than the large model, so that all together beat any alone."""
    mine = three["all_models"]

    assert three["best_single"]["model"] == "large"
    assert mine["accepted"] > three["best_single"]["accepted"] - 0.01
    assert mine["cost_usd"] < 0.75 * three["best_single"]["cost_usd"]
    assert mine["shares"]["adder"] > 0.2
    table = three["baselines"]["field table"]["all_models"]
    assert mine["cost_usd"] < table["cost_usd"]
    assert three["oracle"]["all_models"]["accepted"] > mine["accepted"]


def test_without_fields_it_finds_clusters_of_its_own(tmp_path: Path) -> None:
    said = replayed(tmp_path, models=ALL, fields=False)

    assert said["all_models"]["shares"]["adder"] > 0.2
    assert said["all_models"]["cost_usd"] < 0.8 * said["best_single"]["cost_usd"]


def test_predictions_recover_the_truth() -> None:
    found = [
        LogRow(row["query"], row["field"],
               {name: (float(one["accepted"]), one["cost_usd"])
                for name, one in row["outcomes"].items()})
        for row in rows(3000, 3)
    ]  # fmt: skip
    predictor = Predictor.fit(found, ("small", "large"))

    chance = random.Random(4)  # noqa: S311 - seeded, no secret
    fresh = [question(chance) for _ in range(500)]
    told = predictor.predict([LogRow(text, field, {}) for text, field, _ in fresh])
    truths = np.array([[truth(name, field, hard) for name in ("small", "large")]
                       for _, field, hard in fresh])  # fmt: skip

    assert np.abs(told - truths).mean() < 0.08


def test_a_goal_that_nobody_reaches_is_not_left_to_luck() -> None:
    """The dear model is predicted to be better; that the cheap one looked so, was chance."""
    predicted = np.tile([0.80, 0.81], (100, 1))
    accepted = np.tile([1.0, 1.0], (100, 1))
    accepted[:18, 0] = accepted[:20, 1] = 0.0
    usd = np.tile([0.001, 0.01], (100, 1))

    chosen = choose_spending(predicted, accepted, usd, goal=0.9)

    assert chosen.choose(predicted).tolist() == [1] * 100
    assert chosen.choose(np.tile([0.8, 0.8], (9, 1))).tolist() == [0] * 9


def test_test_rows_never_choose_the_threshold(tmp_path: Path) -> None:
    """Outcomes of the held-out rows change what is reported, and nothing that is chosen."""
    train = read_log(write_log(tmp_path / "a.jsonl", rows(600, 1)))
    one = read_log(write_log(tmp_path / "b.jsonl", rows(300, 2)))
    flipped = (
        {**row, "outcomes": {name: {**told, "accepted": not told["accepted"]}
                             for name, told in row["outcomes"].items()}}
        for row in rows(300, 2)
    )  # fmt: skip
    other = read_log(write_log(tmp_path / "c.jsonl", flipped))
    choice = choose_models(train.rows, None, None, None)

    first, second = replay(train, one, choice), replay(train, other, choice)

    assert first.ours.threshold == second.ours.threshold
    assert first.ours.strong_share == second.ours.strong_share
    np.testing.assert_array_equal(first.predicted, second.predicted)


def test_a_log_that_lacks_outcomes_teaches_what_it_has(tmp_path: Path) -> None:
    """As a router's own log: most questions were asked of one model only."""
    chance = random.Random(5)  # noqa: S311 - seeded, no secret
    partial = []
    for row in rows(1500, 1):
        if chance.random() < 0.6:
            del row["outcomes"][chance.choice(["small", "large"])]
        partial.append(row)
    train = read_log(write_log(tmp_path / "a.jsonl", iter(partial)))
    test = read_log(write_log(tmp_path / "b.jsonl", iter([*rows(500, 2), *partial[:200]])))

    said = report(replay(train, test, choose_models(train.rows, None, None, None)))

    assert said["apgr"] > 0.65
    assert said["rows"]["incomplete"] > 50


def test_an_embedding_is_used_where_the_log_has_one(tmp_path: Path) -> None:
    """Only the embedding tells which questions are hard here."""
    chance = random.Random(6)  # noqa: S311 - seeded, no secret

    def hidden(count: int) -> list[dict[str, Any]]:
        made = []
        for number in range(count):
            hard = chance.random()
            good = {"accepted": chance.random() < 1 - hard, "cost_usd": 0.001}
            sure = {"accepted": chance.random() < 0.95, "cost_usd": 0.01}
            made.append({"query": f"question {number % 7}", "embedding": [hard, chance.random()],
                         "outcomes": {"small": good, "large": sure}})  # fmt: skip
        return made

    train = read_log(write_log(tmp_path / "a.jsonl", iter(hidden(800))))
    test = read_log(write_log(tmp_path / "b.jsonl", iter(hidden(800))))

    assert report(replay(train, test, choose_models(train.rows, None, None, None)))["apgr"] > 0.65


def test_a_strong_model_that_is_no_better_has_no_apgr(tmp_path: Path) -> None:
    train = read_log(write_log(tmp_path / "a.jsonl", rows(200, 1)))
    choice = choose_models(train.rows, None, "large", "small")

    said = report(replay(train, train, choice))

    assert said["apgr"] is said["cpt50"] is None
    assert (said["cheap"], said["strong"]) == ("large", "small")


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ((["small", "tiny"], None, None), "no row has an outcome of 'tiny'"),
        ((["small"], None, None), "needs two models"),
        ((None, "small", "small"), "cheap and strong are both 'small'"),
    ],
)
def test_who_takes_part_is_checked(chosen: tuple[Any, Any, Any], says: str, tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path / "a.jsonl", rows(30, 1)))

    with pytest.raises(LogError, match=says):
        choose_models(log.rows, *chosen)


def test_too_few_rows_are_told(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path / "a.jsonl", rows(5, 1)))

    with pytest.raises(LogError, match="has 5 rows with outcomes of large, small; a replay needs"):
        replay(log, log, choose_models(log.rows, None, None, None))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[]", "a row is an object"),
        ('{"outcomes": {}}', "query is None; give the text"),
        ('{"query": "a", "outcomes": {}}', "give one object per model"),
        ('{"query": "a", "field": 3, "outcomes": {"m": {"accepted": true}}}', "field is 3"),
        ('{"query": "a", "outcomes": {"m": 1}}', "outcomes.m is 1"),
        ('{"query": "a", "outcomes": {"m": {"accepted": 2}}}', "from 0 to 1"),
        ('{"query": "a", "outcomes": {"m": {"accepted": NaN}}}', "from 0 to 1"),
        ('{"query": "a", "outcomes": {"m": {"accepted": 1, "cost_usd": -1}}}', "give USD"),
        ('{"query": "a", "outcomes": {"m": {"accepted": 1, "cost_usd": 1e308}}}', "a trillion"),
        (
            '{"query": "a", "outcomes": {"m": {"accepted": 1, "cost_usd": 1%s}}}' % ("0" * 400),
            "a trillion",
        ),
        ('{"query": "a", "embedding": "x", "outcomes": {"m": {"accepted": 1}}}', "embedding"),
        (
            '{"query": "a", "embedding": [1%s], "outcomes": {"m": {"accepted": 1}}}' % ("0" * 400),
            "1e30 at most",
        ),
    ],
)
def test_a_bad_row_is_named_and_left_out(line: str, says: str, tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.jsonl", rows(3, 1))
    path.write_text(f"{line}\n\n{path.read_text()}")

    log = read_log(path)

    assert len(log.rows) == 3
    assert len(log.problems) == 1
    assert log.problems[0].startswith(f"{path}:1: ")
    assert says in log.problems[0]


def test_a_file_without_a_good_row_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("nonsense\n")

    with pytest.raises(LogError, match=r"no row of outcomes; the first: .*:1: not JSON"):
        read_log(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    "found",
    [
        [("the same question", n % 2, 1) for n in range(40)],
        [(f"question {n}", 1, 1) for n in range(40)],
        [("\U0001f600 \u6f22\u5b57 " * n, n % 2, 1) for n in range(40)],
        [("word " * 500 * n, n % 2, 1) for n in range(25)],
    ],
    ids=["one question", "all right", "signs", "long"],
)
def test_odd_logs_are_replayed_too(found: list[tuple[str, int, int]], tmp_path: Path) -> None:
    made = (
        {"query": text, "outcomes": {"small": {"accepted": cheap}, "large": {"accepted": strong}}}
        for text, cheap, strong in found
    )
    log = read_log(write_log(tmp_path / "a.jsonl", made))

    said = report(replay(log, log, choose_models(log.rows, None, "small", "large")))

    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert 0.0 <= said["threshold"]["accepted"] <= 1.0
