"""Whatever happens to nodes, pods and specs: it ends converged, and nobody is stopped too early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from observed import GPU, a_node, a_specialist
from simulated import Living

from tierwise_core.departure import LEAVING_TAINT, departure
from tierwise_core.fleet import Taint, gpu_use
from tierwise_core.plan import Apply, Delete, Plan, Scale

TIERS = ("rtx-4090", "h100")
TAKEN = {"taints": (Taint(LEAVING_TAINT),), "leaving": f"taint {LEAVING_TAINT}"}
BACK = {"taints": (), "leaving": "", "ready": True, "cordoned": False}


def a_fleet() -> Living:
    nodes = [a_node(f"n{i}", TIERS[i > 2], gpus=2) for i in range(5)]
    return Living(specialists=[a_specialist(replicas=2)], nodes=nodes)


def spec_of(world: Living) -> dict[str, Any]:
    """What of the sorter's spec the events change."""
    sorter = world.specialist()
    return {
        "replicas": sorter.placement.min_replicas,
        "tiers": sorter.placement.tiers,
        "image": sorter.engine.image,
    }


def edited(**change: Any) -> Callable[[Living], None]:
    return lambda world: world.edit(**{**spec_of(world), **change}) and None


def of_node(number: int, **changes: Any) -> Callable[[Living], None]:
    return lambda world: world.change_node(f"n{number}", **changes)


def appears(world: Living, number: int) -> None:
    if f"n{number}" not in {node.name for node in world.nodes}:
        world.nodes.append(a_node(f"n{number}", TIERS[number > 2], gpus=2))


def loses_gpu(world: Living, number: int) -> None:
    for node in [node for node in world.nodes if node.name == f"n{number}"]:
        world.change_node(node.name, gpus={GPU: max(0, node.gpus.get(GPU, 0) - 1)})


def fails(world: Living, number: int) -> None:
    for pod in world.serving()[number : number + 1]:
        world.fail(pod)


def loads(world: Living, number: int) -> None:
    world.schedule()
    world.load(number)


HAPPENINGS: dict[str, Callable[[Living, int], None]] = {
    "edit": lambda world, n: edited(image=f"vllm:{n}")(world),
    "scale": lambda world, n: edited(replicas=n)(world),
    "tiers": lambda world, n: edited(tiers=TIERS[:n])(world),
    "take": lambda world, n: of_node(n, **TAKEN)(world),
    "cordon": lambda world, n: of_node(n, cordoned=True)(world),
    "dead": lambda world, n: of_node(n, ready=False)(world),
    "back": lambda world, n: of_node(n, **BACK)(world),
    "delete": lambda world, n: world.lose_node(f"n{n}"),
    "new node": appears,
    "lost gpu": loses_gpu,
    "fail": fails,
    "load": loads,
    "reap": lambda world, _: world.reap(),
    "pass": lambda *_: None,
}
EVENTS = st.tuples(st.sampled_from(sorted(HAPPENINGS)), st.integers(0, 4))


def happen(world: Living, event: str, number: int) -> None:
    """Let one thing happen in the cluster."""
    HAPPENINGS[event](world, number)


def mended(world: Living) -> None:
    """What is broken for good is put right by whoever is in charge of the machines."""
    for pod in [p for p in world.pods if p.last_exit is not None]:
        world.pods.remove(pod)


def reductions(plan: Plan, world: Living) -> list[str]:
    """The actions that leave a Deployment with fewer replicas than it has pods."""
    alive: dict[str, int] = {}
    for pod in world.pods:
        if not pod.terminating:
            alive[pod.revision] = alive.get(pod.revision, 0) + 1
    found = []
    for action in plan.actions:
        child = next((d for d in world.deployments if d.name == action.name), None)
        if child is None:
            continue
        match action:
            case Delete() | Scale():
                found.append(action.name)
            case Apply() if action.manifest["spec"]["replicas"] < alive.get(child.revision, 0):
                found.append(action.name)
            case _:
                pass
    return found


def look_closely(world: Living) -> None:
    """One pass, and whether anybody who served was stopped before the time."""
    target = world.specialist().placement.min_replicas
    nodes = {node.name: node for node in world.nodes}
    before = world.serving()
    plan = world.look()
    fewer = reductions(plan, world)
    world.carry_out(plan)
    world.control()
    after = world.serving()
    note(f"{[str(a.reason) for a in plan.actions]}: {len(before)} -> {len(after)} of {target}")
    assignment = world.previous.placements.assignments["ai/sorter"] if fewer else None
    room = assignment.placed_replicas if assignment else 0
    if len(after) < min(len(before), target, room):
        gave_way = [a for a in plan.actions if "no room for revisions" in a.reason]
        assert gave_way, "a serving pod was stopped although there was room"
        going = [p for p in before if departure(nodes.get(p.node)) is not None]
        assert len(before) - len(after) <= 1 + len(going), "more than one left for want of room"


@settings(max_examples=120, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_nobody_who_serves_is_stopped_before_a_replacement_is_ready(
    events: list[tuple[str, int]],
) -> None:
    world = a_fleet()
    world.live()
    for event, number in events:
        note(f"{event} {number}")
        happen(world, event, number)
        look_closely(world)


@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_it_ends_converged_with_all_that_there_is_room_for(events: list[tuple[str, int]]) -> None:
    world = a_fleet()
    for event, number in events:
        happen(world, event, number)
        world.step()
    mended(world)
    world.live()
    serving, sorter = world.serving(), world.specialist()
    nodes = {node.name: node for node in world.nodes}
    staying = [pod for pod in serving if departure(nodes.get(pod.node)) is None]
    assert len(serving) <= max(sorter.placement.min_replicas, len(serving) - len(staying))
    assert len({pod.revision for pod in staying}) <= 1 + len(TIERS)
    images = {child.edition for child in world.deployments if child.replicas}
    assert len(images) <= 1
    placed = world.previous.placements.assignments.get("ai/sorter") if world.previous else None
    if placed is not None:
        assert len(staying) == placed.placed_replicas
    assert world.look().converged


@settings(max_examples=80, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_no_plan_takes_more_gpus_than_nodes_have(events: list[tuple[str, int]]) -> None:
    world = a_fleet()
    for event, number in events:
        happen(world, event, number)
        world.step()
        placed = world.previous.placements.assignments.get("ai/sorter") if world.previous else None
        for share in placed.shares if placed else ():
            assert share.replicas <= capacity(world, share.tier)


def capacity(world: Living, tier: str) -> int:
    """The GPUs of a tier; where a node has lost some, those that pods hold."""
    used = gpu_use(world.pods)
    here = [n for n in world.nodes if n.labels["gpu"] == tier and departure(n) is None]
    return sum(max(n.gpus.get(GPU, 0), used.get(n.name, {}).get(GPU, 0)) for n in here)
