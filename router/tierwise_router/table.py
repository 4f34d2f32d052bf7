"""The route table out of GPUTier and Specialist resources.

``tierwise serve FILE`` and the watch in a cluster read the very same resources: there is no second
schema. A broken object is left out and named as a :class:`Problem`; the others keep serving.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from tierwise_api import API_VERSION, GPUTier, Resource, RouterPolicy, Specialist, Tenant
from tierwise_core.conditions import BROKEN
from tierwise_core.route_table import (
    AdapterRoute,
    Endpoint,
    Route,
    RouteTable,
    Sleep,
    TierRoute,
)
from tierwise_core.router_policy import POLICY_NAME
from tierwise_core.router_policy import RouterPolicy as RouterPolicyOfCore
from tierwise_core.served_tasks import Task, last_value, served_tasks
from tierwise_core.tenant import TenantLimits, TenantRoute
from tierwise_core.verifier_spec import VerifierSpec, resolve_verifiers
from tierwise_router.patterns.problems import pattern_problems
from tierwise_router.problem import Problem
from tierwise_router.table_checks import (
    dangling,
    decision_problems,
    placed_on,
    unknown_verifiers,
)
from tierwise_router.tariff import floor_of, loosened_floor_of, price_of
from tierwise_router.terms import compliance_of, provider_of, region_of, requirements_of

__all__ = [
    "build_table",
]

DEFAULT_NAMESPACE: Final = "default"
VALUE_SHOWN: Final = 80
Readable = GPUTier | Specialist | RouterPolicy | Tenant
READ_KINDS: Final[Mapping[str, type[Readable]]] = {
    "GPUTier": GPUTier,
    "Specialist": Specialist,
    "RouterPolicy": RouterPolicy,
    "Tenant": Tenant,
}


@dataclass(slots=True)
class _Reading:
    """The usable resources found so far, by name, and what was wrong with the others."""

    tiers: dict[str, GPUTier] = field(default_factory=dict)
    specialists: dict[str, Specialist] = field(default_factory=dict)
    policies: dict[str, RouterPolicy] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of_kind(self, kind: type[Readable]) -> dict[str, Any]:
        kept: dict[type[Readable], dict[str, Any]] = {
            GPUTier: self.tiers,
            Specialist: self.specialists,
            RouterPolicy: self.policies,
            Tenant: self.tenants,
        }
        return kept[kind]


def build_table(
    objects: Iterable[Mapping[str, Any]], *, wakes: bool = False, policy: str = POLICY_NAME
) -> tuple[RouteTable, tuple[Problem, ...]]:
    """Build the table, and list what is wrong with the resources it was built from.

    ``wakes`` says that there is somebody to wake Specialists that sleep: an operator. ``policy`` is
    the name of the RouterPolicy that counts.

    Other kinds are passed over: a file may hold a Namespace beside the Specialists. A resource
    that was read from a cluster (it has a uid) may have fields of a newer version; in one that a
    person wrote an unknown field is a typing error. A Specialist that is being deleted is left out.
    """
    reading = _Reading()
    for item in _flattened(objects):
        _read(item, reading)
    tiers = [_tier_route(tier) for tier in reading.tiers.values()]
    by_name = {tier.name: tier for tier in tiers}
    chosen = reading.policies.get(policy)
    obeyed = RouterPolicyOfCore() if chosen is None else chosen.spec.to_core()
    described = obeyed.decision.verifiers
    routes = [
        _route(key, item, by_name, described, wakes=wakes)
        for key, item in reading.specialists.items()
    ]
    tenants = [_tenant_route(key, item) for key, item in reading.tenants.items()]
    problems = [
        *reading.problems,
        *dangling(reading.tiers, reading.specialists),
        *_unused_policies(reading, policy),
        *unknown_verifiers(reading.specialists, described),
        *decision_problems(obeyed.decision, policy, reading.specialists),
    ]
    table = RouteTable.of(routes, tiers, obeyed, tenants)
    return table, (*problems, *pattern_problems(table, policy))


def _flattened(objects: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Unfold what ``kubectl get -o yaml`` prints: a List with the objects as its items."""
    for item in objects:
        if not isinstance(item, Mapping):
            yield {"kind": "", "metadata": {"name": repr(item)[:VALUE_SHOWN]}}
        elif str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from _flattened(item["items"])
        else:
            yield item


def _read(item: Mapping[str, Any], reading: _Reading) -> None:
    kind = READ_KINDS.get(str(item.get("kind")))
    if kind is None or item.get("apiVersion") != API_VERSION:
        reading.problems.extend(_unread(item))
        return
    try:
        resource = _parse(kind, item)
    except ValidationError as error:
        reading.problems.extend(_invalid(_title(item), error))
        return
    if resource.metadata.deletion_timestamp is None:
        _keep(resource, _title(item), reading)


def _parse(kind: type[Readable], item: Mapping[str, Any]) -> Readable:
    metadata = item.get("metadata")
    stored = isinstance(metadata, Mapping) and "uid" in metadata
    return kind.from_cluster(item) if stored else kind.model_validate(dict(item))


def _keep(resource: Readable, title: str, reading: _Reading) -> None:
    kept: dict[str, Any] = reading.of_kind(type(resource))
    name = resource.metadata.name
    key = _key(resource, name) if resource.names.namespaced else name
    repeated = key in kept
    kept[key] = resource
    if repeated:
        name = repr(resource.metadata.name)
        reading.problems.append(
            Problem(title, "metadata.name", f"{name} twice", "the last one counts; remove one")
        )


def _unread(item: Mapping[str, Any]) -> Iterator[Problem]:
    """Complain about what was meant for us and is not; other groups' objects are none of ours."""
    version, kind = str(item.get("apiVersion", "")), item.get("kind")
    if version.startswith("tierwise.dev/") and version != API_VERSION:
        yield Problem(_title(item), "apiVersion", repr(version), f"write {API_VERSION}")
    elif not kind or not version:
        name = "kind" if not kind else "apiVersion"
        right = f"write apiVersion: {API_VERSION} and one of the kinds {', '.join(READ_KINDS)}"
        yield Problem(_title(item), name, "missing", right)


def _invalid(title: str, error: ValidationError) -> Iterator[Problem]:
    for issue in error.errors(include_url=False):
        path = ".".join(str(part) for part in issue["loc"]) or "object"
        missing = issue["type"] == "missing"
        shown = "missing" if missing else repr(issue["input"])[:VALUE_SHOWN]
        yield Problem(title, path, shown, issue["msg"])


def _title(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("name") or "without a name"
    if item.get("kind") in {"Specialist", "Tenant"}:
        name = f"{metadata.get('namespace') or DEFAULT_NAMESPACE}/{name}"
    return f"{item.get('kind') or 'object'} {name}"


def _key(owner: Resource, name: str) -> str:
    return f"{owner.metadata.namespace or DEFAULT_NAMESPACE}/{name}"


def _unused_policies(reading: _Reading, used: str) -> Iterator[Problem]:
    for name in reading.policies:
        if name != used:
            remedy = f"this router obeys {used!r} (TIERWISE_POLICY); rename it, or remove it"
            yield Problem(f"RouterPolicy {name}", "metadata.name", repr(name), remedy)


def _tenant_route(key: str, item: Tenant) -> TenantRoute:
    namespace, name = key.split("/")
    return TenantRoute(
        namespace=namespace,
        name=name,
        key_hashes=tuple(one.sha256 for one in item.spec.keys),
        specialists=tuple(_key(item, one) for one in item.spec.specialists),
        weight=item.spec.weight,
        priority=item.spec.priority,
        limits=TenantLimits(
            item.spec.limits.max_concurrent,
            item.spec.limits.requests_per_minute,
            item.spec.limits.max_queued,
        ),
        requirements=requirements_of(item),
    )


def _tier_route(tier: GPUTier) -> TierRoute:
    return TierRoute(
        name=tier.metadata.name,
        usd_per_gpu_hour=tier.spec.price.per_gpu_hour,
        confidence_floor=tier.spec.confidence_floor,
        escalate_to=tier.spec.escalate_to,
    )


def _route(
    key: str,
    item: Specialist,
    tiers: Mapping[str, TierRoute],
    described: tuple[VerifierSpec, ...],
    *,
    wakes: bool,
) -> Route:
    namespace, name = key.split("/")
    spec, external = item.spec, item.spec.external
    secret = external.secret_ref if external is not None else None
    return Route(
        namespace=namespace,
        name=name,
        field=spec.field,
        upstream_model=external.model if external is not None else name,
        endpoints=_endpoints(item),
        tier="" if external is not None else placed_on(item),
        parent=None if spec.parent is None else _key(item, spec.parent),
        price=price_of(item, tiers),
        confidence_floor=floor_of(item, tiers),
        loosened_floor=loosened_floor_of(item, tiers),
        escalate_to=tuple(_key(item, target) for target in spec.routing.escalate_to),
        examples=tuple(spec.routing.examples),
        on_uncertain=spec.routing.on_uncertain,
        secret=None if secret is None else (secret.name, secret.key),
        external=external is not None,
        sleep=_sleep(item) if wakes else None,
        adapters=tuple(_adapters(item)),
        verifiers=resolve_verifiers(spec.routing.verifiers, described)[0],
        context_tokens=_context_tokens(item),
        tasks=_tasks(item),
        latency_class=spec.routing.latency_class,
        provider=provider_of(item),
        compliance=compliance_of(item),
        region=region_of(item),
    )


def _context_tokens(item: Specialist) -> int:
    """Tell the longest context it is served with: what the spec asks for, else the model's own."""
    external, model, seen = item.spec.external, item.spec.model, item.status.model
    if external is not None:
        return (external.limits.context_tokens if external.limits is not None else None) or 0
    given = last_value(item.spec.engine.args, "--max-model-len")
    if given is not None:
        return int(given) if given.isdigit() else 0
    asked = model.max_model_len if model is not None else None
    return asked or (seen.context_length if seen is not None else None) or 0


def _tasks(item: Specialist) -> tuple[Task, ...]:
    """Tell what its model serves; nothing where nobody knows, as of a provider's."""
    if item.spec.external is not None:
        return ()
    seen = item.status.model
    architecture = seen.architecture if seen is not None else None
    return tuple(sorted(served_tasks(architecture, item.spec.engine.args)))


def _adapters(item: Specialist) -> Iterator[AdapterRoute]:
    """Yield the adapters that the spec names, with the pods that the status says have them."""
    known = {adapter.name: adapter for adapter in item.status.adapters}
    for adapter in item.spec.model.adapters if item.spec.model is not None else ():
        seen = known.get(adapter.name)
        if seen is None or not seen.loaded_pods:
            yield AdapterRoute(adapter.name, loaded=False)
            continue
        absent = tuple(sorted(seen.absent_from))
        # Of very many pods that lack it not all are listed: until they are, nobody is asked.
        listed = seen.total_pods is None or seen.loaded_pods + len(absent) >= seen.total_pods
        yield AdapterRoute(adapter.name, listed, absent)


def _sleep(item: Specialist) -> Sleep | None:
    """Say how it sleeps; None where a request cannot wake it, so that nobody waits in vain."""
    replicas, scaling = item.spec.placement.replicas, item.spec.placement.scaling
    if item.spec.model is None or replicas.min or not replicas.effective_max:
        return None
    if any(one.status == "False" and one.reason in BROKEN for one in item.status.conditions):
        return None
    return Sleep(scaling.when_asleep, scaling.hold_timeout_s)


def _endpoints(item: Specialist) -> tuple[Endpoint, ...]:
    if item.spec.external is not None:
        external = item.spec.external
        urls = dict.fromkeys((external.base_url, *external.alternative_urls))
        return tuple(Endpoint(url.rstrip("/")) for url in urls)
    return tuple(
        Endpoint(ready.url.rstrip("/"), ready.revision or "", ready.pod or "", ready.tier or "")
        for ready in item.status.endpoints
    )
