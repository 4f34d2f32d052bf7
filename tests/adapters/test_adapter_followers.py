"""The operator's followers: each pod gets what its Specialist wants, and none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from lora_engines import FakeDoor
from observed import SMALL, a_pod, a_specialist

from tierwise_core.adapter_status import AdaptersSeen, adapters_verdict, rows
from tierwise_core.adapters import Load, Unload
from tierwise_core.errors import SourceNotFoundError
from tierwise_core.fleet import Pod
from tierwise_core.lora import AdapterFacts
from tierwise_core.specialist import Specialist
from tierwise_operator.adapter_readings import AdapterReadings
from tierwise_operator.adapter_sources import AdapterAsked
from tierwise_operator.adapters import Adapters

A = ("a", "file:///models/adapters/a")
B = ("b", "file:///models/adapters/b")
FACTS = AdapterFacts(8, ("q_proj",), "sorter")


@dataclass
class Shop:
    """Followers beside engines in memory, and the adapters that can be read."""

    door: FakeDoor = field(default_factory=FakeDoor)
    files: dict[str, AdapterFacts | Exception] = field(default_factory=dict)
    news: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adapters = self.new()

    def new(self) -> Adapters:
        """Followers that remember nothing, as after a restart of the operator."""
        readings = AdapterReadings(self.read, self.news.append)
        return Adapters(self.door, readings, self.news.append)

    async def read(self, asked: AdapterAsked) -> AdapterFacts:
        self.reads.append(asked.source)
        found = self.files.get(asked.source, FACTS)
        if isinstance(found, Exception):
            raise found
        return found

    async def pass_over(self, specialist: Specialist, *pods: Pod) -> AdaptersSeen:
        """Make passes until nothing changes any more; return what the last one saw."""
        while True:
            self.news.clear()
            seen = self.adapters.of(specialist, SMALL, pods)
            await self.adapters.settle()
            if not self.news:
                return seen

    async def look(self) -> None:
        self.adapters.look()
        await self.adapters.settle()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    yield made
    await made.adapters.close()


def a_server(number: int = 1, **changes: Any) -> Pod:
    given = {"ready": True, "ip": f"10.0.0.{number}", "running_since": "noon", **changes}
    return a_pod("r1", f"sorter-{number}", **given)


def sorter(*adapters: tuple[str, str], **changes: Any) -> Specialist:
    return a_specialist(adapters=adapters, **changes)


def states(specialist: Specialist, seen: AdaptersSeen, *pods: Pod) -> dict[str, str]:
    return {row["name"]: row["state"] for row in rows(specialist, seen, pods)}


async def test_every_serving_pod_gets_every_adapter(shop: Shop) -> None:
    pods = (a_server(1), a_server(2))
    seen = await shop.pass_over(sorter(A, B), *pods)
    for number in (1, 2):
        expected = {"sorter:a": "/models/adapters/a", "sorter:b": "/models/adapters/b"}
        assert shop.door.at(f"10.0.0.{number}").loaded == expected
    assert states(sorter(A, B), seen, *pods) == {"a": "Loaded", "b": "Loaded"}
    verdict = adapters_verdict(seen, pods)
    assert verdict
    assert (verdict.status, verdict.reason) == ("True", "Loaded")
    assert sorted(shop.reads) == [A[1], B[1]]


async def test_a_pod_that_appears_later_gets_them_and_the_others_are_left_alone(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server(1))
    steps = list(shop.door.at("10.0.0.1").steps)
    seen = await shop.pass_over(sorter(A), a_server(1), a_server(2))
    assert shop.door.at("10.0.0.2").loaded == {"sorter:a": "/models/adapters/a"}
    assert shop.door.at("10.0.0.1").steps == steps
    assert states(sorter(A), seen, a_server(1), a_server(2)) == {"a": "Loaded"}


async def test_a_pod_that_does_not_serve_yet_is_not_asked(shop: Shop) -> None:
    seen = await shop.pass_over(sorter(A), a_server(1, ready=False))
    assert shop.door.at("10.0.0.1").looks == 0
    verdict = adapters_verdict(seen, ())
    assert verdict
    assert (verdict.status, verdict.reason) == ("Unknown", "NoPods")


async def test_what_leaves_the_spec_leaves_the_pods(shop: Shop) -> None:
    await shop.pass_over(sorter(A, B), a_server())
    seen = await shop.pass_over(sorter(B), a_server())
    assert shop.door.at("10.0.0.1").loaded == {"sorter:b": "/models/adapters/b"}
    assert states(sorter(B), seen, a_server()) == {"b": "Loaded"}


async def test_another_source_replaces_the_adapter_in_one_step(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    await shop.pass_over(sorter(("a", B[1])), a_server())
    assert shop.door.at("10.0.0.1").steps == [
        Load("sorter:a", "/models/adapters/a"),
        Load("sorter:a", "/models/adapters/b", before="/models/adapters/a"),
    ]


async def test_what_a_person_loads_or_unloads_by_hand_is_put_right(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    engine = shop.door.at("10.0.0.1")
    engine.loaded = {"sorter:x": "/tmp/x", "theirs": "/tmp/y"}  # noqa: S108
    await shop.look()
    assert engine.loaded == {"sorter:a": "/models/adapters/a", "theirs": "/tmp/y"}  # noqa: S108


async def test_a_container_that_was_restarted_gets_them_again(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    engine = shop.door.at("10.0.0.1")
    engine.loaded = {}
    seen = shop.adapters.of(sorter(A), SMALL, [a_server(restarts=1, running_since="one")])
    assert seen.sights["sorter-1"].loaded is None  # nothing of the life before is believed
    await shop.adapters.settle()
    assert engine.loaded == {"sorter:a": "/models/adapters/a"}


async def test_a_new_operator_asks_the_pods_and_does_nothing_twice(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    await shop.adapters.close()
    shop.adapters = shop.new()
    seen = await shop.pass_over(sorter(A), a_server())
    assert shop.door.at("10.0.0.1").steps == [Load("sorter:a", "/models/adapters/a")]
    assert states(sorter(A), seen, a_server()) == {"a": "Loaded"}


async def test_an_engine_that_refuses_one_still_gets_the_other(shop: Shop) -> None:
    engine = shop.door.at("10.0.0.1")
    engine.refuses["/models/adapters/a"] = "LoRA rank 64 is greater than max_lora_rank 16. (500)"
    seen = await shop.pass_over(sorter(A, B), a_server())
    assert engine.loaded == {"sorter:b": "/models/adapters/b"}
    assert states(sorter(A, B), seen, a_server()) == {"a": "Failed", "b": "Loaded"}
    verdict = adapters_verdict(seen, [a_server()])
    assert verdict
    assert (verdict.status, verdict.reason) == ("False", "LoadFailed")
    assert "pod sorter-1 could not load it: LoRA rank 64" in verdict.message


async def test_a_refused_adapter_is_not_tried_again_at_once(shop: Shop) -> None:
    engine = shop.door.at("10.0.0.1")
    engine.refuses["/models/adapters/a"] = "no"
    await shop.pass_over(sorter(A), a_server())
    engine.refuses.clear()
    await shop.look()
    assert engine.steps == []
    await shop.pass_over(sorter(("a", B[1])), a_server())
    assert engine.loaded == {"sorter:a": "/models/adapters/b"}


async def test_a_pod_that_takes_for_ever_holds_up_no_other(shop: Shop) -> None:
    shop.door.at("10.0.0.1").hangs.add("/models/adapters/a")
    shop.adapters.of(sorter(A), SMALL, [a_server(1), a_server(2)])
    async with asyncio.timeout(60):
        while not shop.door.at("10.0.0.2").loaded:
            await asyncio.sleep(0)
            shop.adapters.of(sorter(A), SMALL, [a_server(1), a_server(2)])
    seen = shop.adapters.of(sorter(A), SMALL, [a_server(1), a_server(2)])
    (row,) = rows(sorter(A), seen, [a_server(1), a_server(2)])
    assert (row["state"], row["loadedPods"], row["absentFrom"]) == ("Partial", 1, ["sorter-1"])


async def test_a_silent_pod_has_nothing_and_another_has_it(shop: Shop) -> None:
    shop.door.at("10.0.0.1").silent = True
    pods = (a_server(1), a_server(2))
    seen = await shop.pass_over(sorter(A), *pods)
    (row,) = rows(sorter(A), seen, pods)
    assert row["absentFrom"] == ["sorter-1"]


async def test_a_missing_file_is_told_and_no_pod_is_asked_to_load_it(shop: Shop) -> None:
    shop.files[A[1]] = SourceNotFoundError("there is no directory /models/adapters/a here")
    seen = await shop.pass_over(sorter(A, B), a_server())
    engine = shop.door.at("10.0.0.1")
    assert engine.loaded == {"sorter:b": "/models/adapters/b"}
    verdict = adapters_verdict(seen, [a_server()])
    assert verdict
    assert (verdict.reason, verdict.message) == (
        "SourceNotFound",
        "spec.model.adapters[0].source: there is no directory /models/adapters/a here",
    )


async def test_a_new_source_that_is_broken_leaves_the_old_adapter_serving(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    shop.files[B[1]] = replace(FACTS, rank=64)
    broken = sorter(("a", B[1]))
    seen = await shop.pass_over(broken, a_server())
    assert shop.door.at("10.0.0.1").loaded == {"sorter:a": "/models/adapters/a"}
    (row,) = rows(broken, seen, [a_server()])
    assert (row["state"], row["loadedPods"]) == ("Failed", 1)
    assert "absentFrom" not in row
    assert row["message"].endswith("the one before it answers meanwhile")


async def test_a_pod_that_is_gone_and_a_specialist_that_is_gone_are_let_go(shop: Shop) -> None:
    seen = await shop.pass_over(sorter(A), a_server(1), a_server(2))
    seen = await shop.pass_over(sorter(A), a_server(1))
    assert set(seen.sights) == {"sorter-1"}
    shop.adapters.forget("ai/sorter")
    looks = shop.door.at("10.0.0.1").looks
    await shop.look()
    assert shop.door.at("10.0.0.1").looks == looks


async def test_a_base_without_adapters_costs_no_request(shop: Shop) -> None:
    seen = await shop.pass_over(a_specialist(), a_server())
    assert shop.door.at("10.0.0.1").looks == 0
    assert adapters_verdict(seen, [a_server()]) is None
    assert rows(a_specialist(), seen, [a_server()]) == []


async def test_an_adapter_on_its_way_out_is_told(shop: Shop) -> None:
    await shop.pass_over(sorter(A), a_server())
    engine = shop.door.at("10.0.0.1")
    engine.hangs.add("/models/adapters/a")
    without = replace(sorter(A), model=replace(sorter(A).model, adapters=()))  # type: ignore[arg-type]
    kept = replace(without.model, adapter_limits=sorter(A).model.lora)  # type: ignore[type-var, union-attr]
    without = replace(without, model=kept)
    seen = shop.adapters.of(without, SMALL, [a_server()])
    (row,) = rows(without, seen, [a_server()])
    assert (row["name"], row["state"]) == ("a", "Removing")
    assert Unload("sorter:a", "/models/adapters/a") not in engine.steps
