"""What engines say of themselves reaches the status, and corrects the estimate of their tier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from observed import GIB, a_node, a_specialist, a_tier, serving_world
from stage import Stage, pod_body, specialist_body

from tierwise_core.correction import Correction
from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_core.fleet_plan import Fleet, plan_fleet
from tierwise_core.learned import correction_status, published_correction

STATUS = "apply Specialist/status ai/sorter"
TIER = "apply GPUTier/status rtx-4090"
IDLE = EngineMetrics(0, 0, 0.0, 0.0, kv_cache_tokens=20_000)


class Engines:
    """Engines that answer with the page that a story gives them."""

    def __init__(self, page: EngineMetrics) -> None:
        self.page = page

    async def scrape(self, pods: Iterable[Pod]) -> Mapping[str, EngineMetrics]:
        return {pod.key: self.page for pod in pods}


async def loaded(stage: Stage, page: EngineMetrics = IDLE, **spec: Any) -> Engines:
    """A Specialist whose one pod is ready and has been asked."""
    stage.cluster.put(specialist_body(placement={"targetConcurrency": 2}, **spec))
    await stage.start()
    deployment = next(
        body for (kind, _), body in stage.cluster.objects_by_key.items() if kind == "Deployment"
    )
    pod = pod_body(deployment)
    pod["status"]["conditions"][0]["lastTransitionTime"] = "2026-03-01T11:01:30Z"
    stage.cluster.put(pod)
    await stage.settle()
    return await asked(stage, page)


async def asked(stage: Stage, page: EngineMetrics) -> Engines:
    engines = Engines(page)
    stage.operator.load_watch.scrape = engines.scrape
    await stage.operator.load_watch.round()
    await stage.settle()
    return engines


def performance(stage: Stage) -> dict[str, Any]:
    found = stage.cluster.find("Specialist", "ai/sorter")["status"]["performance"]
    return dict(found)


def correction(stage: Stage) -> dict[str, Any] | None:
    return stage.cluster.find("GPUTier", "rtx-4090")["status"].get("correction")


async def test_a_loaded_engine_tells_its_cache_and_how_long_it_took(stage: Stage) -> None:
    await loaded(stage)
    told = performance(stage)
    assert told["kvCacheTokens"] == 20_000
    assert told["loadSeconds"] == 90.0
    assert told["pods"] == 1
    assert told["measuredAt"] == "2026-03-01T12:00:00Z"


async def test_the_weights_are_those_of_the_files_whatever_the_spec_says(stage: Stage) -> None:
    told = replace(IDLE, kv_cache_memory_bytes=2 * GIB)
    await loaded(stage, told)
    files = performance(stage)["weightsBytes"]
    memory = stage.cluster.find("Specialist", "ai/sorter")["status"]["placement"]["memory"]
    assert files == memory["weightsBytes"]

    less = {"source": "file:///models/sorter", "size": {"weights": 15 * GIB}}
    await loaded(stage, told, model=less)

    memory = stage.cluster.find("Specialist", "ai/sorter")["status"]["placement"]["memory"]
    assert memory["weightsBytes"] == 15 * GIB != files
    assert performance(stage)["weightsBytes"] == files


async def test_what_the_cache_leaves_is_compared_with_the_estimate(stage: Stage) -> None:
    """21.6 GiB to use, of which 20,000 tokens of 128 KiB are cache."""
    await loaded(stage)
    memory = stage.cluster.find("Specialist", "ai/sorter")["status"]["placement"]["memory"]
    taken = 24 * GIB * 0.9 - 20_000 * 131_072
    learned = correction(stage)
    assert learned is not None
    estimated = memory["weightsBytes"] + memory["activationBytes"] + memory["overheadBytes"]
    estimated -= learned["overheadBytes"]
    assert performance(stage)["estimateErrorPercent"] == pytest.approx(
        (estimated - taken) / taken * 100, abs=0.01
    )
    assert learned["samples"] == 1
    assert learned["overheadBytes"] == pytest.approx((taken - estimated) / 2, abs=2)


async def test_an_engine_that_was_told_its_cache_corrects_nothing(stage: Stage) -> None:
    told = replace(IDLE, kv_cache_memory_bytes=2 * GIB)
    await loaded(stage, told)
    assert performance(stage)["kvBytesPerToken"] == round(2 * GIB / 20_000)
    assert correction(stage) is None


async def test_an_engine_with_memory_settings_of_its_own_corrects_nothing(stage: Stage) -> None:
    await loaded(stage, engine={"args": ["--gpu-memory-utilization=0.5"]})
    assert correction(stage) is None


async def test_the_same_figures_once_more_cost_no_write(stage: Stage) -> None:
    await loaded(stage)
    stage.now[0] += timedelta(minutes=1)
    stage.cluster.forget_writes()
    await stage.operator.load_watch.round()
    await stage.operator.resync()
    assert await stage.settle() == []


async def test_a_restart_keeps_what_was_learned_and_writes_nothing(stage: Stage) -> None:
    await loaded(stage)
    before = correction(stage)
    stage.restart()
    assert await stage.start() == []
    assert correction(stage) == before


async def test_throughput_is_that_of_one_replica_under_load(stage: Stage) -> None:
    await loaded(stage, replace(IDLE, running=1))
    stage.now[0] += timedelta(seconds=60)
    busy = EngineMetrics(2, 0, 6000.0, 12_000.0, kv_cache_tokens=20_000)
    await asked(stage, busy)
    assert performance(stage)["generationTokensPerSecond"] == 100.0
    assert performance(stage)["promptTokensPerSecond"] == 200.0
    stage.now[0] += timedelta(seconds=60)
    await asked(stage, busy)  # it generates nothing now: the figure stays that of the busy minute
    assert performance(stage)["generationTokensPerSecond"] == 100.0


async def test_what_was_asked_of_an_idle_replica_is_no_throughput(stage: Stage) -> None:
    await loaded(stage)
    stage.now[0] += timedelta(seconds=60)
    await asked(stage, replace(IDLE, generation_tokens_total=60.0, prompt_tokens_total=120.0))
    assert not {"generationTokensPerSecond", "promptTokensPerSecond"} & performance(stage).keys()


def test_what_a_tier_taught_is_applied_to_every_model_there() -> None:
    learned = Correction(3, 1.1, GIB, -5.0)
    fleet = Fleet(
        specialists=(a_specialist(),),
        readings=serving_world().readings,
        tiers=(a_tier(memory_bytes=80 * GIB),),
    )
    plain = plan_fleet(fleet).sizes["ai/sorter"].memory[1]
    with_node = replace(fleet, nodes=(a_node("n1"),))
    placed = plan_fleet(replace(with_node, corrections={"rtx-4090": learned}))
    memory = placed.placements.assignments["ai/sorter"].memory
    assert memory.weights_bytes == round(plain.weights_bytes * 1.1)
    assert memory.overhead_bytes == plain.overhead_bytes + GIB


def test_what_serves_is_not_driven_out_by_what_others_taught() -> None:
    world = serving_world(tiers=["rtx-4090"])
    fleet = Fleet(
        specialists=tuple(world.specialists),
        readings=world.readings,
        tiers=tuple(world.tiers),
        nodes=tuple(world.nodes),
        holdings=world.holdings(),
        corrections={"rtx-4090": Correction(5, 1.0, 8 * GIB, -30.0)},
    )
    plan = plan_fleet(fleet)
    placed = plan.placements.assignments["ai/sorter"]
    assert (placed.tier, placed.tensor_parallel) == ("rtx-4090", 1)
    newcomer = plan_fleet(replace(fleet, holdings={}))
    assert newcomer.placements.assignments["ai/sorter"].tensor_parallel == 2


def test_a_correction_survives_its_wire_form() -> None:
    learned = Correction(4, 1.025, -3 * 2**20, 1.5)
    assert published_correction({"correction": correction_status(learned)}) == learned
    assert published_correction({}) is None
