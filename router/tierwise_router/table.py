"""The route table out of GPUTier, Specialist, Rollout, FieldProfile and other resources.

``tierwise serve FILE`` and the watch in a cluster read the very same resources: there is no second
schema. A broken object is left out and named as a :class:`Problem`; the others keep serving.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tierwise_api import FieldProfile, GPUTier, Specialist, Tenant
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
from tierwise_router.resources import Parsed, Reading, full_key, read_resources
from tierwise_router.shares import split_of, unknown_rollouts
from tierwise_router.table_checks import (
    contents_problems,
    dangling,
    decision_problems,
    placed_on,
    unknown_verifiers,
)
from tierwise_router.tariff import budgets_of, floor_of, loosened_floor_of, price_of
from tierwise_router.terms import (
    compliance_of,
    overflow_of,
    provider_of,
    region_of,
    requirements_of,
)

__all__ = [
    "build_table",
]


def build_table(
    objects: Iterable[Mapping[str, Any]],
    *,
    wakes: bool = False,
    policy: str = POLICY_NAME,
    parsed: Parsed | None = None,
) -> tuple[RouteTable, tuple[Problem, ...]]:
    """Build the table, and list what is wrong with the resources it was built from.

    ``wakes`` says that there is somebody to wake Specialists that sleep: an operator. ``policy`` is
    the name of the RouterPolicy that counts. ``parsed`` keeps models from one table to the next.

    What is read, and what is passed over, :func:`read_resources` says.
    """
    reading = read_resources(objects, parsed)
    tiers = [_tier_route(tier) for tier in reading.tiers.values()]
    by_name = {tier.name: tier for tier in tiers}
    chosen = reading.policies.get(policy)
    obeyed = RouterPolicyOfCore() if chosen is None else chosen.spec.to_core()
    described = obeyed.decision.verifiers
    routes = [
        replace(
            _route(key, item, by_name, _verifiers(item, reading.profiles, described), wakes=wakes),
            split=split_of(item, reading.rollouts),
        )
        for key, item in reading.specialists.items()
    ]
    tenants = [_tenant_route(key, item) for key, item in reading.tenants.items()]
    problems = [
        *reading.problems,
        *dangling(reading.tiers, reading.specialists),
        *unknown_rollouts(reading.specialists, reading.rollouts),
        *_unused_policies(reading, policy),
        *unknown_verifiers(reading.specialists, reading.profiles, described),
        *decision_problems(obeyed.decision, policy, reading.specialists),
        *contents_problems(obeyed.contents, policy, reading.tenants, reading.specialists),
    ]
    table = RouteTable.of(routes, tiers, obeyed, tenants)
    return table, (*problems, *pattern_problems(table, policy))


def _unused_policies(reading: Reading, used: str) -> Iterator[Problem]:
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
        specialists=tuple(full_key(item, one) for one in item.spec.specialists),
        weight=item.spec.weight,
        priority=item.spec.priority,
        limits=TenantLimits(
            item.spec.limits.max_concurrent,
            item.spec.limits.requests_per_minute,
            item.spec.limits.max_queued,
        ),
        requirements=requirements_of(item),
        budgets=budgets_of(item),
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
    verifiers: tuple[VerifierSpec, ...],
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
        parent=None if spec.parent is None else full_key(item, spec.parent),
        price=price_of(item, tiers),
        confidence_floor=floor_of(item, tiers),
        loosened_floor=loosened_floor_of(item, tiers),
        escalate_to=tuple(full_key(item, target) for target in spec.routing.escalate_to),
        examples=tuple(spec.routing.examples),
        on_uncertain=spec.routing.on_uncertain,
        secret=None if secret is None else (secret.name, secret.key),
        external=external is not None,
        sleep=_sleep(item) if wakes else None,
        arrives=wakes and _has_pods_to_come(item),
        adapters=tuple(_adapters(item)),
        verifiers=verifiers,
        context_tokens=_context_tokens(item),
        tasks=_tasks(item),
        latency_class=spec.routing.latency_class,
        provider=provider_of(item),
        compliance=compliance_of(item),
        region=region_of(item),
        overflow=overflow_of(item),
    )


def _verifiers(
    item: Specialist, profiles: Mapping[str, FieldProfile], described: tuple[VerifierSpec, ...]
) -> tuple[VerifierSpec, ...]:
    """Find what checks its answers: the verifiers it names, else those of its field's profile."""
    names = item.spec.routing.verifiers
    if not names and (profile := profiles.get(item.spec.field)) is not None:
        names = profile.spec.verifiers
    return resolve_verifiers(names, described)[0]


def _context_tokens(item: Specialist) -> int:
    """Tell the longest context it is served with: what its model is set to, else the model's own.

    That is the model that serves; while a rollout is under way the spec has the candidate's.
    """
    external, seen = item.spec.external, item.status.model
    if external is not None:
        return (external.limits.context_tokens if external.limits is not None else None) or 0
    given = last_value(item.spec.engine.args, "--max-model-len")
    if given is not None:
        return int(given) if given.isdigit() else 0
    return _asked_length(item) or (seen.context_length if seen is not None else None) or 0


def _asked_length(item: Specialist) -> int | None:
    model, stable = item.spec.model, item.status.stable
    if stable is not None and stable.model is not None:
        found = stable.model.get("maxModelLen")
        return found if isinstance(found, int) else None
    return model.max_model_len if model is not None else None


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


def _has_pods_to_come(item: Specialist) -> bool:
    """Tell whether an operator starts pods of it, and nothing is known to keep them from coming."""
    if item.spec.model is None or not item.spec.placement.replicas.effective_max:
        return False
    return not any(one.status == "False" and one.reason in BROKEN for one in item.status.conditions)


def _sleep(item: Specialist) -> Sleep | None:
    """Say how it sleeps; None where a request cannot wake it, so that nobody waits in vain."""
    replicas, scaling = item.spec.placement.replicas, item.spec.placement.scaling
    if replicas.min or not _has_pods_to_come(item):
        return None
    return Sleep(scaling.when_asleep, scaling.hold_timeout_s)


def _endpoints(item: Specialist) -> tuple[Endpoint, ...]:
    if item.spec.external is not None:
        external = item.spec.external
        urls = dict.fromkeys((external.base_url, *external.alternative_urls))
        return tuple(Endpoint(url.rstrip("/")) for url in urls)
    return tuple(
        Endpoint(
            ready.url.rstrip("/"),
            ready.revision or "",
            ready.pod or "",
            ready.tier or "",
            ready.side or "",
        )
        for ready in item.status.endpoints
    )
