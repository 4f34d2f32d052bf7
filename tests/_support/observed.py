"""Builders of what the operator observes, for stories about its decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tierwise_core.children import (
    EDITION,
    MANIFEST,
    REPLACED,
    REVISION,
    SIDE,
    TIER,
    Child,
    deployment,
    revise,
)
from tierwise_core.departure import departures
from tierwise_core.engine import Layout
from tierwise_core.fleet import Exit, GPUTier, Node, Pod, free_slots, gpu_use
from tierwise_core.fleet_plan import Fleet, FleetPlan, FleetVerdict, plan_fleet
from tierwise_core.healing import wanted_parts
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.model_wire import read_model
from tierwise_core.placement import Running
from tierwise_core.plan import Apply, Delete, Mark, Plan, Scale
from tierwise_core.pod_health import serving
from tierwise_core.reconcile import Snapshot, decide
from tierwise_core.rollout.order import TRIGGER, Order, current
from tierwise_core.rollout.situation import first_standing
from tierwise_core.rollout.stages import Stage
from tierwise_core.sides import Sides, sides
from tierwise_core.sides_observed import holdings_of_sides, pods_of_side
from tierwise_core.snapshot import GreenView
from tierwise_core.specialist import (
    Adapter,
    EngineSpec,
    ExternalSpec,
    ModelSpec,
    PlacementSpec,
    Reading,
    Specialist,
)

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GPU = "nvidia.com/gpu"
GIB = 2**30

SMALL = ModelMetadata(
    architecture="LlamaForCausalLM",
    weights_bytes=16 * GIB,
    parameters=8_000_000_000,
    layers=32,
    kv_heads=8,
    attention_heads=32,
    head_dim=128,
    hidden_size=4096,
    vocab_size=32_000,
    context_length=8192,
    kv_dtype_bytes=2,
    dtype="bfloat16",
    kv_bytes_per_token=131_072,
    intermediate_size=14_336,
)
LARGE = replace(SMALL, weights_bytes=50 * GIB, parameters=25_000_000_000)
HUGE = replace(SMALL, weights_bytes=900 * GIB, parameters=450_000_000_000)


def a_tier(name: str = "rtx-4090", **changes: Any) -> GPUTier:
    known: dict[str, dict[str, Any]] = {
        "rtx-4090": {"memory_bytes": 24 * GIB, "usd_per_gpu_hour": 0.4},
        "h100": {"memory_bytes": 80 * GIB, "usd_per_gpu_hour": 3.0},
    }
    settings: dict[str, Any] = {
        "uid": f"uid-{name}",
        "product": name,
        "node_selector": {"gpu": name},
        **known.get(name, {"memory_bytes": 24 * GIB}),
        **changes,
    }
    return GPUTier(name, **settings)


def a_node(name: str, tier: str = "rtx-4090", gpus: int = 4, **changes: Any) -> Node:
    return Node(name, {"gpu": tier}, {GPU: gpus}, **changes)


def a_specialist(name: str = "sorter", **changes: Any) -> Specialist:
    placement = PlacementSpec(
        tiers=tuple(changes.pop("tiers", ())),
        min_replicas=changes.pop("replicas", 1),
        max_replicas=changes.pop("max_replicas", 1),
        target_concurrency=changes.pop("concurrency", 2),
        tensor_parallel=changes.pop("tensor_parallel", None),
    )
    engine = EngineSpec(
        image=changes.pop("image", "vllm:1"),
        args=tuple(changes.pop("args", ())),
        env=tuple(changes.pop("env", ())),
        pod_template=changes.pop("pod_template", None),
    )
    model = ModelSpec(
        source=changes.pop("source", "file:///models/sorter"),
        revision=changes.pop("model_revision", None),
        quantization=changes.pop("quantization", None),
        max_model_len_tokens=changes.pop("max_model_len", None),
        adapters=tuple(Adapter(*pair) for pair in changes.pop("adapters", ())),
        adapter_limits=changes.pop("adapter_limits", None),
        size=changes.pop("size", SizeOverrides()),
    )
    known: dict[str, Any] = {
        "namespace": "ai",
        "uid": f"uid-{name}",
        "generation": 1,
        "field": "sorting",
        "model": model,
        "placement": placement,
        "engine": engine,
        **changes,
    }
    return Specialist(name=name, **known)


def an_external(name: str = "frontier", **changes: Any) -> Specialist:
    external = ExternalSpec("https://api.example.com/v1", "gpt-x")
    return replace(a_specialist(name, **changes), model=None, external=external)


def a_pod(
    revision: str, name: str = "", specialist: str = "sorter", gpus: int = 1, **changes: Any
) -> Pod:
    known: dict[str, Any] = {"node": "n1", "ip": "10.0.0.1", **changes}
    title = name or f"{specialist}-{revision}-a"
    return Pod(
        "ai",
        title,
        f"uid-{title}",
        gpus={GPU: gpus},
        specialist=specialist,
        revision=revision,
        **known,
    )


def crashed(code: int = 1, message: str = "CUDA out of memory") -> dict[str, Any]:
    return {"restarts": 4, "last_exit": Exit(code, "Error", message), "running_since": ""}


@dataclass(frozen=True)
class Rendered:
    """A Deployment as we would apply it, and the revision it is of."""

    revision: str
    manifest: Mapping[str, Any]


def rendered(specialist: Specialist, layout: Layout, replicas: int = 1) -> Rendered:
    found = revise(specialist, layout)
    return Rendered(found.revision, deployment(specialist, found, replicas))


def live_child(applied: Apply, **changes: Any) -> Child:
    """What the watch would show after an apply."""
    manifest = applied.manifest
    metadata, spec = manifest["metadata"], manifest["spec"]
    containers = spec.get("template", {}).get("spec", {}).get("containers", [])
    limits = [c.get("resources", {}).get("limits", {}) for c in containers]
    child = Child(
        kind=applied.kind,
        namespace=applied.namespace,
        name=applied.name,
        uid=f"uid-{applied.name}",
        specialist=metadata["ownerReferences"][0]["name"],
        revision=metadata["labels"].get(REVISION, ""),
        tier=metadata["labels"].get(TIER, ""),
        edition=metadata["labels"].get(EDITION, ""),
        side=metadata["labels"].get(SIDE, ""),
        manifest_digest=metadata["annotations"][MANIFEST],
        replicas=spec.get("replicas", 0),
        gpus_per_replica=sum(int(v) for limit in limits for k, v in limit.items() if "/" in k),
        replaced=metadata["annotations"].get(REPLACED, ""),
        live=json.dumps(wanted_parts(manifest)),
    )
    return replace(child, **changes)


@dataclass
class World:
    """A cluster in a story: change it, let the operator look, see what it wants."""

    specialists: list[Specialist] = field(default_factory=list)
    tiers: list[GPUTier] = field(default_factory=lambda: [a_tier(), a_tier("h100")])
    nodes: list[Node] = field(default_factory=lambda: [a_node("n1"), a_node("n2", "h100", gpus=2)])
    pods: list[Pod] = field(default_factory=list)
    deployments: list[Child] = field(default_factory=list)
    services: list[Child] = field(default_factory=list)
    readings: dict[str, Reading] = field(default_factory=dict)
    now: datetime = NOON
    previous: FleetPlan | None = None
    orders: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        for specialist in self.specialists:
            self.readings.setdefault(specialist.key, SMALL)

    def specialist(self, name: str = "sorter") -> Specialist:
        return next(sp for sp in self.specialists if sp.name == name)

    def edit(self, name: str = "sorter", **changes: Any) -> Specialist:
        """Replace a Specialist's spec, as kubectl apply does: the generation grows."""
        before = self.specialist(name)
        known = {"generation": before.generation + 1, "status": before.status}
        after = a_specialist(name, **{**known, **changes})
        self.specialists[self.specialists.index(before)] = after
        return after

    def holdings(self) -> dict[str, tuple[Running, ...]]:
        found = {}
        for sp in self.specialists:
            children, pods = self._children(self.deployments, sp), self._pods(sp)
            found |= holdings_of_sides(self.sides(sp), children, pods, self.departing(pods))
        return {key: held for key, held in found.items() if held}

    def sides(self, specialist: Specialist) -> Sides:
        """What of a Specialist serves, and what of it is tried."""
        children = self._children(self.deployments, specialist)
        blue = pods_of_side(specialist, children, self._pods(specialist))
        orders = [one for one in self.orders if one.specialist_key == specialist.key]
        return sides(specialist, orders, serves=bool(serving(blue)))

    def fleet(self) -> Fleet:
        return Fleet(
            specialists=tuple(side for sp in self.specialists for side in self.sides(sp).all),
            readings=self.readings,
            tiers=tuple(self.tiers),
            nodes=tuple(self.nodes),
            use=gpu_use(self.pods),
            holdings=self.holdings(),
        )

    def plan(self) -> FleetPlan:
        self.previous = plan_fleet(self.fleet(), self.previous)
        return self.previous

    def verdict(self, name: str = "sorter") -> FleetVerdict | None:
        return self.plan().verdict(self.specialist(name).key)

    def look(self, name: str = "sorter") -> Plan:
        """Make one pass, without carrying anything out."""
        specialist = self.specialist(name)
        return decide(self.snapshot(specialist), self.now)

    def snapshot(self, specialist: Specialist) -> Snapshot:
        both, plan = self.sides(specialist), self.plan()
        verdict = plan.verdict(specialist.key) if plan.knows(both.blue) else None
        pods = self._pods(specialist)
        services = self._children(self.services, specialist)
        return Snapshot(
            specialist=both.blue,
            reading=self.readings.get(specialist.key, SMALL),
            fleet=verdict,
            sides=both,
            green=self._green(both.green, plan),
            deployments=self._children(self.deployments, specialist),
            service=services[0] if services else None,
            pods=pods,
            departing=self.departing(pods),
            room=lambda tier, gpus: free_slots(tier, self.nodes, gpu_use(self.pods), gpus),
        )

    def _green(self, green: Specialist | None, plan: FleetPlan) -> GreenView | None:
        if green is None:
            return None
        reading = self.readings.setdefault(green.key, SMALL)
        verdict = plan.verdict(green.key) if plan.knows(green) else None
        return GreenView(reading, verdict, no_room=plan.no_room(green.key))

    def departing(self, pods: Sequence[Pod]) -> dict[str, str]:
        """The pods that cannot stay, and why."""
        nodes = {node.name: node for node in self.nodes}
        tiers = {tier.name: tier for tier in self.tiers}
        return departures(pods, nodes.get, gpu_use(self.pods), tiers.get)

    def carry_out(self, plan: Plan, name: str = "sorter") -> Plan:
        """Do what a plan asks, as an API server without controllers would."""
        for action in plan.actions:
            if action.kind == "Rollout":
                self._open(action)
                continue
            children = self.services if action.kind == "Service" else self.deployments
            match action:
                case Apply():
                    children[:] = [child for child in children if child.name != action.name]
                    children.append(live_child(action))
                case Delete():
                    children[:] = [child for child in children if child.name != action.name]
                case Scale():
                    children[:] = [
                        replace(child, replicas=action.replicas)
                        if child.name == action.name
                        else child
                        for child in children
                    ]
                case Mark():
                    self.pods = [
                        replace(pod, deletion_cost=action.cost) if pod.name == action.name else pod
                        for pod in self.pods
                    ]
        if plan.status is not None:
            before = self.specialist(name)
            after = replace(before, status=plan.status.status)
            self.specialists[self.specialists.index(before)] = after
        return plan

    def _open(self, action: Apply | Delete | Scale | Mark) -> None:
        """Let a Rollout be there, as its own pass would have begun it, or be gone."""
        if isinstance(action, Delete):
            self.orders = [one for one in self.orders if one.name != action.name]
            return
        if not isinstance(action, Apply):
            raise TypeError(f"{action} is no way to treat a Rollout")
        metadata, spec = action.manifest["metadata"], action.manifest["spec"]
        name = spec["specialistRef"]["name"]
        order = Order(
            namespace=action.namespace,
            name=action.name,
            uid=f"uid-{action.name}",
            generation=1,
            specialist_key=f"{action.namespace}/{name}",
            candidate=read_model(spec["candidate"]["model"]),
            standing=first_standing(self.now.timestamp()),
            created=self.now.isoformat().replace("+00:00", "Z"),
            trigger=metadata["annotations"][TRIGGER],
            spec=spec,
        )
        self.orders.append(order)

    def stage(self, stage: Stage, percent: int = 0, **changes: Any) -> None:
        """Let the Rollout that counts stand somewhere, as its own pass would decide."""
        order = current(self.orders)
        if order is None:
            raise LookupError("no Rollout is under way")
        standing = replace(order.standing or first_standing(0.0), stage=stage, percent=percent)
        after = replace(order, standing=replace(standing, **changes))
        self.orders[self.orders.index(order)] = after

    def settle(self, name: str = "sorter") -> Plan:
        """Look and carry out until nothing is left to do; return the first plan."""
        first = self.carry_out(self.look(name), name)
        for _ in range(10):
            if self.carry_out(self.look(name), name).converged:
                return first
        raise AssertionError("the operator never comes to rest")

    def run_pods(self, name: str = "sorter", **changes: Any) -> list[Pod]:
        """Let the Deployments of a Specialist have their pods, ready unless said otherwise."""
        self.pods = [pod for pod in self.pods if pod.specialist != name]
        made = [
            a_pod(
                d.revision,
                f"{d.name}-{n}",
                name,
                d.gpus_per_replica,
                **{
                    "ready": True,
                    "ip": f"10.0.{i}.{n + 1}",
                    "node": self._node_of(d.tier),
                    "tier": d.tier,
                    "edition": d.edition,
                    **changes,
                },
            )
            for i, d in enumerate(self.deployments)
            if d.specialist == name
            for n in range(d.replicas)
        ]
        self.pods += made
        return made

    def wait(self, **passed: float) -> None:
        self.now += timedelta(**passed)

    def conditions(self, name: str = "sorter") -> dict[str, Mapping[str, Any]]:
        """The conditions last published, by type."""
        status = self.specialist(name).status
        return {c["type"]: c for c in status.get("conditions", ())}

    def _node_of(self, tier: str) -> str:
        return next(node.name for node in self.nodes if node.labels["gpu"] == tier)

    def _children(self, children: Sequence[Child], specialist: Specialist) -> tuple[Child, ...]:
        return tuple(child for child in children if child.specialist == specialist.name)

    def _pods(self, specialist: Specialist) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.pods if pod.specialist == specialist.name)


def serving_world(**changes: Any) -> World:
    """A world in which the sorter runs and serves."""
    world = World(specialists=[a_specialist(**changes)])
    world.settle()
    world.run_pods()
    world.settle()
    return world


def said(world: World, condition: str, name: str = "sorter") -> tuple[str, str]:
    """Return status and reason of a published condition."""
    found = world.conditions(name)[condition]
    return found["status"], found["reason"]
