"""What a pod loads and unloads: any sequence of events converges, and nothing wanted is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.adapters import (
    LONGEST_BACKOFF_SECONDS,
    LOOK_SECONDS,
    Desired,
    Load,
    Sight,
    Unload,
    Wanted,
    failed,
    observed,
    settled,
    steps,
    succeeded,
    unanswered,
    wait_seconds,
)

PREFIX = "sorter:"
NAMES = st.sampled_from(["a", "b", "c", "d"])
PATHS = st.sampled_from(["/1", "/2", "/3"])
FOREIGN = {"lora-of-somebody": "/x", "sorter2:a": "/y"}


def desired(wanted: Mapping[str, str], kept: tuple[str, ...] = ()) -> Desired:
    return Desired(
        PREFIX,
        tuple(Wanted(PREFIX + name, path) for name, path in wanted.items()),
        frozenset(PREFIX + name for name in kept),
    )


@dataclass
class Engine:
    """A pod's engine: it has adapters, refuses some paths, and may be restarted or silent."""

    loaded: dict[str, str] = field(default_factory=lambda: dict(FOREIGN))
    refuses: set[str] = field(default_factory=set)
    sight: Sight = field(default_factory=Sight)
    unloads: list[str] = field(default_factory=list)

    def look(self, wish: Desired, now: float) -> None:
        self.sight = observed(self.sight, wish, self.loaded)
        for step in steps(wish, self.sight, now):
            self._do(step, now)

    def _do(self, step: Load | Unload, now: float) -> None:
        if isinstance(step, Unload):
            self.unloads.append(step.served)
            del self.loaded[step.served]
        elif step.path in self.refuses:
            self.sight = failed(self.sight, step, "refused", now)
            return
        else:
            assert step.before == self.loaded.get(step.served, "")
            self.loaded[step.served] = step.path
        self.sight = succeeded(self.sight, step)


WISHES = st.dictionaries(NAMES, PATHS, max_size=4)
EVENTS = st.one_of(
    st.tuples(st.just("wish"), WISHES),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("by hand"), st.dictionaries(NAMES, PATHS, max_size=2)),
    st.tuples(st.just("unload"), NAMES),
    st.tuples(st.just("refuse"), st.sets(PATHS, max_size=2)),
    st.tuples(st.just("operator restarts"), st.none()),
    st.tuples(st.just("silence"), st.integers(1, 4)),
    st.tuples(st.just("look"), st.floats(0, 20)),
)


@dataclass
class Story:
    """A pod to which things happen."""

    engine: Engine = field(default_factory=Engine)
    wanted: Mapping[str, str] = field(default_factory=dict)
    now: float = 0.0

    def happens(self, what: str, value: Any) -> None:
        happen: dict[str, Callable[[], object]] = {
            "wish": lambda: setattr(self, "wanted", value),
            "restart": self._restart,
            "by hand": lambda: self.engine.loaded.update(
                {PREFIX + name: path for name, path in value.items()}
            ),
            "unload": lambda: self.engine.loaded.pop(PREFIX + value, None),
            "refuse": lambda: setattr(self.engine, "refuses", value),
            "operator restarts": lambda: setattr(self.engine, "sight", Sight()),
            "silence": lambda: self._silence(value),
            "look": lambda: self.look(value),
        }
        happen[what]()

    def _restart(self) -> None:
        self.engine.loaded, self.engine.sight = dict(FOREIGN), Sight()

    def _silence(self, times: int) -> None:
        for _ in range(times):
            self.engine.sight = unanswered(self.engine.sight)

    def look(self, seconds: float) -> None:
        self.now += seconds
        self.engine.look(desired(self.wanted), self.now)
        assert not {PREFIX + name for name in self.wanted} & set(self.engine.unloads)
        self.engine.unloads.clear()


@given(st.lists(EVENTS, max_size=20))
def test_whatever_happens_pods_end_up_with_what_is_wanted(events: list[tuple[str, Any]]) -> None:
    story = Story()
    for what, value in events:
        story.happens(what, value)
    story.engine.refuses.clear()
    for _ in range(2):  # one look may only find out when to try again
        story.look(LONGEST_BACKOFF_SECONDS)
    wish = desired(story.wanted)
    assert settled(wish, story.engine.sight)
    assert story.engine.loaded == {**FOREIGN, **{PREFIX + n: p for n, p in story.wanted.items()}}
    assert steps(wish, story.engine.sight, story.now) == ()


@given(WISHES, st.dictionaries(NAMES, PATHS), st.sets(NAMES), st.floats(0, 1e6))
def test_steps_touch_nothing_that_is_kept_and_nothing_of_others(
    wanted: dict[str, str], loaded: dict[str, str], kept: set[str], now: float
) -> None:
    wish = desired({n: p for n, p in wanted.items() if n not in kept}, tuple(kept))
    sight = Sight({**FOREIGN, **{PREFIX + name: path for name, path in loaded.items()}})
    for step in steps(wish, sight, now):
        name = step.served.removeprefix(PREFIX)
        assert step.served.startswith(PREFIX)
        assert name not in kept
        if isinstance(step, Unload):
            assert name not in wanted
            assert name in loaded
        else:
            assert wanted[name] == step.path != loaded.get(name)
            assert step.before == loaded.get(name, "")


def test_a_pod_that_has_not_answered_is_told_nothing() -> None:
    assert steps(desired({"a": "/1"}), Sight(), 0.0) == ()


def test_room_is_made_before_it_is_taken() -> None:
    found = steps(desired({"a": "/1"}), Sight({"sorter:b": "/2"}), 0.0)
    assert [type(step) for step in found] == [Unload, Load]


def test_a_failure_is_tried_again_later_and_later_but_at_once_for_another_source() -> None:
    wish, sight, waits = desired({"a": "/1"}), Sight({}), []
    now = 0.0
    for _ in range(12):
        (step,) = steps(wish, sight, now)
        sight = failed(sight, step, "no", now)
        assert steps(wish, sight, now) == ()
        again = sight.setbacks["sorter:a"].again_at
        waits.append(again - now)
        now = again
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert waits[-1] == 300.0
    assert steps(desired({"a": "/2"}), sight, 0.0) == (Load("sorter:a", "/2"),)


def test_a_failure_of_one_holds_up_no_other() -> None:
    wish = desired({"a": "/1", "b": "/2"})
    sight = failed(Sight({}), Load("sorter:a", "/1"), "no", 0.0)
    assert steps(wish, sight, 0.0) == (Load("sorter:b", "/2"),)


def test_a_failure_is_forgotten_when_the_adapter_is_there_after_all() -> None:
    wish = desired({"a": "/1"})
    sight = failed(Sight({}), Load("sorter:a", "/1"), "no", 0.0)
    assert observed(sight, wish, {"sorter:a": "/1"}).setbacks == {}
    assert observed(sight, wish, {}).setbacks == sight.setbacks


def test_a_pod_at_rest_is_looked_at_every_ten_seconds() -> None:
    assert wait_seconds(desired({"a": "/1"}), Sight({"sorter:a": "/1"}), 5.0) == LOOK_SECONDS


def test_a_silent_pod_is_asked_again_soon_and_believed_for_a_while() -> None:
    sight = Sight({"sorter:a": "/1"})
    wish = desired({"a": "/1"})
    waits = []
    for _ in range(5):
        sight = unanswered(sight)
        waits.append(wait_seconds(wish, sight, 0.0))
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0]
    assert sight.loaded is None
    assert unanswered(Sight({"sorter:a": "/1"})).loaded == {"sorter:a": "/1"}
    assert observed(sight, wish, {}).silences == 0
