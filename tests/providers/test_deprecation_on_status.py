"""A Specialist says on its status, and by an Event, that its provider ends the model."""

from dataclasses import replace
from datetime import timedelta

import pytest
from observed import NOON, World, an_external, said

from tierwise_core.provider import ProviderTerms
from tierwise_core.specialist import ExternalSpec


def world_in(days: int) -> World:
    end = NOON.date() + timedelta(days=days)
    terms = ProviderTerms(deprecation_date=end, notice_days=60)
    external = ExternalSpec("https://api.example.com/v1", "gpt-x", terms=terms)
    return World(specialists=[replace(an_external(), external=external)])


@pytest.mark.parametrize(
    ("days", "status", "reason"),
    [
        (61, "True", "Supported"),
        (60, "False", "DeprecationNear"),
        (1, "False", "DeprecationNear"),
        (0, "False", "Deprecated"),
    ],
)
def test_the_condition_turns_false_in_time_and_ready_stays(
    days: int, status: str, reason: str
) -> None:
    world = world_in(days)

    world.settle("frontier")

    assert said(world, "ProviderSupported", "frontier") == (status, reason)
    assert said(world, "Ready", "frontier") == ("True", "Ready")


def test_each_change_is_an_event_once() -> None:
    world = world_in(61)
    world.settle("frontier")
    world.now += timedelta(days=1)
    near = world.settle("frontier")
    world.now += timedelta(days=1)
    again = world.settle("frontier")
    world.now += timedelta(days=60)
    gone = world.settle("frontier")

    told = [[(e.type, e.reason) for e in plan.events] for plan in (near, again, gone)]
    assert told == [[("Warning", "DeprecationNear")], [], [("Warning", "Deprecated")]]


def test_without_a_date_there_is_no_such_condition() -> None:
    world = World(specialists=[an_external()])

    world.settle("frontier")

    kinds = {each["type"] for each in world.specialist("frontier").status["conditions"]}
    assert "ProviderSupported" not in kinds


def test_the_message_names_model_day_and_remedy() -> None:
    world = world_in(30)
    world.settle("frontier")

    conditions = world.specialist("frontier").status["conditions"]
    (found,) = [each for each in conditions if each["type"] == "ProviderSupported"]
    end = NOON.date() + timedelta(days=30)
    assert found["message"] == (
        f"spec.external: gpt-x ends on {end}, in 30 days; name a successor in spec.external.model"
    )
