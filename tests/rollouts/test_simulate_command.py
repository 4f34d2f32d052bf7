"""`tierwise simulate rollout`: what people and programs get."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from tierwise_cli.main import app
from tierwise_core.rollout.forecast import forecast
from tierwise_core.rollout.ramp import Strategy
from tierwise_core.rollout.situation import Wish


def told(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["simulate", "rollout", *arguments], env={"NO_COLOR": "1"})
    return done.output


def test_programs_get_shares_answers_and_what_was_lost() -> None:
    said = json.loads(told("--green", "0.2", "--runs", "5", "-o", "json"))

    assert (said["rolledBack"], said["promoted"], said["open"]) == (1.0, 0.0, 0.0)
    assert said["delta"] == pytest.approx(0.04)
    assert 0 < said["greenAnswers"]["most"] < 40
    assert said["rightAnswersLost"] > 0
    assert set(said["forecast"]) == {"equal", "better", "worse", "broken"}


def test_the_same_seed_plays_the_same_rollouts() -> None:
    first, again, other = (
        told("--green", "0.5", "--runs", "3", "--seed", seed) for seed in ("1", "1", "2")
    )

    assert first == again != other


def test_hours_are_told_where_the_traffic_is_known() -> None:
    assert " h) in half of them" in told("--green", "0.2", "--runs", "3", "--answers-per-hour", "9")


def test_a_field_without_a_profile_is_named() -> None:
    assert "give one of general, software-engineering" in told("--field", "law")


@pytest.mark.parametrize(("strategy", "meets"), [("Stages", 0), ("Shadow", 0), ("BlueGreen", 20)])
def test_a_strategy_says_who_meets_a_broken_candidate(strategy: str, meets: int) -> None:
    said = json.loads(
        told("--green", "0.2", "--runs", "3", "--strategy", strategy, "--output", "json")
    )

    assert said["rolledBack"] == 1.0
    assert said["greenAnswers"]["median"] >= meets
    assert bool(said["rightAnswersLost"]) is bool(meets)


def test_what_only_listens_is_left_to_a_person() -> None:
    said = told("--green", "0.97", "--blue", "0.7", "--runs", "2", "--strategy", "Shadow")

    assert "left to a person  100.0 %" in said


def test_a_forecast_is_that_of_the_strategy() -> None:
    def ahead(strategy: str) -> dict[str, int]:
        said = told("--green", "0.2", "--runs", "1", "--strategy", strategy, "-o", "json")
        forecast: dict[str, int] = json.loads(said)["forecast"]
        return forecast

    by_utility, by_stages, unseen, at_once = map(
        ahead, ("Utility", "Stages", "Shadow", "BlueGreen")
    )

    assert by_utility["equal"] < by_stages["equal"] < unseen["equal"]
    assert (at_once["equal"], at_once["worse"]) == (0, 0)
    assert 0 < at_once["broken"] < by_utility["broken"]


@pytest.mark.parametrize("strategy", ["Utility", "Stages", "Shadow", "BlueGreen"])
def test_answers_that_were_all_alike_forecast_a_quick_verdict(strategy: Strategy) -> None:
    ahead = forecast(Wish(strategy=strategy), variance=0.0)

    assert 0 < ahead.broken < 100
