"""Manifests turned into the fleet that the operator would see: one way for files and clusters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from tierwise_api import GPUTier as GPUTierResource
from tierwise_api import Resource, problems
from tierwise_api import Specialist as SpecialistResource
from tierwise_cli.manifests import Manifest, Manifests
from tierwise_core.catalogue import find_product
from tierwise_core.children import SPECIALIST
from tierwise_core.departure import departures
from tierwise_core.fleet import GPUTier, Node, Pod, gpu_use
from tierwise_core.fleet_plan import Fleet
from tierwise_core.holdings import holding
from tierwise_core.learned import published_correction
from tierwise_core.model_metadata import ModelMetadata, SizeOverrides
from tierwise_core.placement import Running
from tierwise_core.price_list import list_price, product_of_tier
from tierwise_core.sides import sides
from tierwise_core.specialist import Reading, ReadingFailed, Specialist
from tierwise_operator import distill, distill_pods

__all__ = [
    "MADE_UP",
    "bandwidths",
    "catalogue_tier",
    "fleet_of",
    "provider_prices",
    "specialists_of",
    "with_readings",
]

Object = Mapping[str, Any]
DEFAULT_NAMESPACE = "default"
MADE_UP = "tierwise.dev/made-up-for"
"""The label of nodes that only a plan has."""
PROMPT_TOKENS_PER_TOKEN = 2


def specialists_of(manifests: Manifests) -> tuple[Specialist, ...]:
    """The Specialists, each with the model that serves it; a changed one is a rollout's to try.

    One that is wrong is ``invalid`` and says where it was written and why.
    """
    return tuple(
        sides(
            _checked(manifest, SpecialistResource, distill.specialist(_namespaced(manifest.body)))
        ).blue
        for manifest in manifests.specialists
    )


def fleet_of(manifests: Manifests) -> Fleet:
    """Everything that placement looks at, but what the models say: see `with_readings`."""
    specialists = specialists_of(manifests)
    tiers: tuple[GPUTier, ...] = tuple(
        _checked(manifest, GPUTierResource, distill.gpu_tier(manifest.body))
        for manifest in manifests.tiers
    )
    nodes = tuple(_node(manifest) for manifest in manifests.nodes)
    pods = [pod for m in manifests.pods if (pod := distill_pods.pod(m.body)) is not None]
    use = gpu_use(pods)
    nodes_by_name = {node.name: node for node in nodes}
    tiers_by_name = {tier.name: tier for tier in tiers}
    departing = departures(pods, nodes_by_name.get, use, tiers_by_name.get)
    return Fleet(
        specialists=specialists,
        tiers=tiers,
        nodes=nodes,
        use=use,
        holdings=_holdings(manifests, specialists, pods, departing),
        wanted=_wanted(specialists),
        corrections={
            tier.name: learned for tier in tiers if (learned := published_correction(tier.status))
        },
    )


def _wanted(specialists: Iterable[Specialist]) -> dict[str, int]:
    """The replicas that the autoscaler asks for, of those whose number is its own to choose."""
    found = {}
    for specialist in specialists:
        policy = specialist.placement.scaling
        count = (specialist.status.get("scaling") or {}).get("desiredReplicas")
        if policy.automatic and isinstance(count, int):
            found[specialist.key] = policy.bounded(count)
    return found


def with_readings(
    fleet: Fleet, readings: Mapping[Any, ModelMetadata | ReadingFailed]
) -> tuple[Fleet, tuple[str, ...]]:
    """The fleet with what the models said, and the keys that are sized by what their pods take.

    A model that cannot be read from here, but that the operator has placed, is sized as its status
    says: ``status.placement.memory``, at the tensor parallel it runs with.
    """
    found: dict[str, Reading] = {}
    specialists, by_status = [], []
    for specialist in fleet.specialists:
        model = specialist.model
        if model is not None:
            reading = readings[model.source, model.revision, model.size]
            found[specialist.key] = reading
            if isinstance(reading, ReadingFailed):
                told = _sized_by_status(specialist)
                if told is not None:
                    specialists.append(told)
                    by_status.append(specialist.key)
                    continue
        specialists.append(specialist)
    return replace(fleet, specialists=tuple(specialists), readings=found), tuple(by_status)


def _sized_by_status(specialist: Specialist) -> Specialist | None:
    """The Specialist with the memory of its running replicas as overrides; its own come first."""
    placed = specialist.status.get("placement") or {}
    memory, cut = placed.get("memory"), placed.get("tensorParallel") or 1
    told = specialist.status.get("model") or {}
    context = _context(specialist, told)
    if specialist.model is None or not memory or not context:
        return None
    if specialist.model.size.weights_bytes is not None:
        return None
    tokens = context * specialist.placement.target_concurrency
    size = SizeOverrides(
        weights_bytes=memory["weightsBytes"] * cut,
        kv_bytes_per_token=told.get("kvBytesPerToken") or memory["kvCacheBytes"] * cut // tokens,
        activation_bytes=memory["activationBytes"],
        overhead_bytes=memory["overheadBytes"],
    )
    return replace(
        specialist,
        model=replace(specialist.model, size=size, max_model_len_tokens=context),
        placement=replace(specialist.placement, tensor_parallel=cut),
    )


def _context(specialist: Specialist, told: Object) -> int | None:
    own = specialist.model.max_model_len_tokens if specialist.model else None
    return own or told.get("contextLength")


def bandwidths(manifests: Manifests, tiers: Iterable[GPUTier]) -> dict[str, float]:
    """GB/s of one GPU by tier: the spec's, else the catalogue's."""
    written = {
        m.body["metadata"]["name"]: ((m.body.get("spec") or {}).get("gpu") or {}).get(
            "bandwidthGBs"
        )
        for m in manifests.tiers
    }
    found: dict[str, float] = {}
    for tier in tiers:
        product = find_product(tier.product)
        known = written.get(tier.name) or (product.bandwidth_gb_per_s if product else None)
        if isinstance(known, int | float):
            found[tier.name] = float(known)
    return found


def provider_prices(manifests: Manifests) -> dict[str, float]:
    """USD for 1000 generated tokens of external Specialists, each after two of a prompt.

    That is the proportion of the reference call: 500 tokens in, 250 out.
    """
    found = {}
    for manifest in manifests.specialists:
        price = ((manifest.body.get("spec") or {}).get("external") or {}).get("price")
        if not isinstance(price, Mapping):
            continue
        read, written = (price.get(f"{way}PerMillionTokens") for way in ("input", "output"))
        if isinstance(read, int | float) and isinstance(written, int | float):
            metadata = _namespaced(manifest.body)["metadata"]
            per_token = (PROMPT_TOKENS_PER_TOKEN * read + written) / 1e6
            found[f"{metadata['namespace']}/{metadata['name']}"] = 1000 * per_token
    return found


def catalogue_tier(name: str) -> GPUTier | None:
    """A tier of a product that the catalogue knows, at its list price; None of another."""
    product = product_of_tier(name)
    if product is None:
        return None
    price = list_price(product.name)
    return GPUTier(
        name,
        product=product.name,
        memory_bytes=product.memory_bytes,
        node_selector={"nvidia.com/gpu.product": product.name, MADE_UP: name},
        usd_per_gpu_hour=(price.usd_per_gpu_hour or 0.0) if price else 0.0,
        confidence_floor=product.confidence_floor,
    )


def _checked(manifest: Manifest, kind: type[Resource], seen: Any) -> Any:
    """What was made of an object that a person wrote is invalid if an API server would refuse it.

    What comes from a cluster was checked there, and may have fields of a newer version.
    """
    if manifest.from_cluster:
        return seen
    try:
        kind.model_validate({**manifest.body, "status": {}})
    except ValidationError as error:
        return replace(seen, invalid=f"{manifest.origin}: {'; '.join(problems(error))}")
    return seen


def _namespaced(body: Object) -> Object:
    metadata = body["metadata"]
    if metadata.get("namespace"):
        return body
    return {**body, "metadata": {**metadata, "namespace": DEFAULT_NAMESPACE}}


def _node(manifest: Manifest) -> Node:
    """A node; one that a person wrote without conditions is taken to be ready."""
    node = distill.node(manifest.body)
    told = (manifest.body.get("status") or {}).get("conditions")
    return node if told else replace(node, ready=True)


def _holdings(
    manifests: Manifests,
    specialists: Sequence[Specialist],
    pods: Iterable[Pod],
    departing: Collection[str],
) -> dict[str, tuple[Running, ...]]:
    """What runs now: by the Deployments and pods, else by what the status says."""
    children, ours = defaultdict(list), defaultdict(list)
    for manifest in manifests.deployments:
        if SPECIALIST in (manifest.body["metadata"].get("labels") or {}):
            child = distill.child("Deployment", manifest.body)
            children[f"{child.namespace}/{child.specialist}"].append(child)
    for pod in pods:
        ours[f"{pod.namespace}/{pod.specialist}"].append(pod)
    found = {}
    for specialist in specialists:
        published, key = specialist.status.get("placement") or {}, specialist.key
        running = holding(children[key], ours[key], published, departing)
        found[key] = running or _published(specialist)
    return {key: runs for key, runs in found.items() if runs}


def _published(specialist: Specialist) -> tuple[Running, ...]:
    """What the status says of the replicas, tier by tier."""
    placed = specialist.status.get("placement") or {}
    tiers = placed.get("tiers")
    if not tiers and placed.get("tier"):
        tiers = [{**placed, "replicas": specialist.status.get("replicas", 0)}]
    return tuple(
        Running(each["tier"], each.get("tensorParallel") or 1, each["replicas"])
        for each in tiers or ()
        if each.get("replicas")
    )
