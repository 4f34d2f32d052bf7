"""Drift: what we set must be there; what others add must not matter."""

import copy
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observed import a_specialist, a_tier, rendered

from tierwise_core.drift import drift
from tierwise_core.engine import Layout

LAYOUT = Layout(a_tier(tolerations=({"key": "gpu", "operator": "Exists"},)), 2, 4096)
SPEC: dict[str, Any] = dict(rendered(a_specialist(), LAYOUT, 2).manifest["spec"])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all scalars."""
    if isinstance(value, dict):
        return [p for key, child in value.items() for p in leaves(child, (*path, key))]
    if isinstance(value, list):
        return [p for n, child in enumerate(value) for p in leaves(child, (*path, n))]
    return [path]


def with_additions(value: Any, rng: random.Random) -> Any:
    """What an API server makes of it: defaults in maps, keyed lists in another order."""
    if isinstance(value, dict):
        grown = {key: with_additions(child, rng) for key, child in value.items()}
        return {**grown, f"defaulted{rng.randint(0, 9)}": "x"}
    if isinstance(value, list):
        grown_list = [with_additions(item, rng) for item in value]
        if grown_list and all(isinstance(item, dict) and "name" in item for item in grown_list):
            rng.shuffle(grown_list)
        return grown_list
    return value


@given(st.randoms(use_true_random=False))
def test_what_others_add_is_no_drift(rng: random.Random) -> None:
    live = with_additions(SPEC, rng)
    assert drift(SPEC, live) is None


@given(st.sampled_from(leaves(SPEC)))
def test_any_value_changed_by_hand_is_drift(path: tuple[Any, ...]) -> None:
    live = copy.deepcopy(SPEC)
    parent: Any = live
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = "tampered"
    assert drift(SPEC, live) is not None


@given(st.sampled_from([p for p in leaves(SPEC) if isinstance(p[-1], str)]))
def test_any_field_removed_by_hand_is_drift_unless_it_says_nothing(path: tuple[Any, ...]) -> None:
    live = copy.deepcopy(SPEC)
    parent: Any = live
    for step in path[:-1]:
        parent = parent[step]
    value = parent.pop(path[-1])
    assert (drift(SPEC, live) is not None) == bool(value)


@pytest.mark.parametrize(
    ("written", "stored"),
    [("0.5", "500m"), ("1024Mi", "1Gi"), ("1000m", "1"), ("1e3", "1k"), (2, "2")],
)
def test_quantities_are_compared_by_value(written: Any, stored: str) -> None:
    desired = {"resources": {"limits": {"cpu": written}}}
    assert drift(desired, {"resources": {"limits": {"cpu": stored}}}) is None


def test_a_number_elsewhere_is_no_quantity() -> None:
    assert drift({"env": {"value": "1000m"}}, {"env": {"value": "1"}}) is not None


def test_the_words_say_where_and_what() -> None:
    live = copy.deepcopy(SPEC)
    live["template"]["spec"]["containers"][0]["image"] = "evil"
    assert drift(SPEC, live) == ("template.spec.containers[engine].image is 'evil', not 'vllm:1'")
