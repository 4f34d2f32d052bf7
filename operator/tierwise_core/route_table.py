"""The route table: who can answer, where, at what price. Immutable; a change makes a new one.

The dispatchers read it on every request, so that every question a request asks is one dictionary
look-up. :func:`tierwise_router.table.build_table` makes it from GPUTier and Specialist resources.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from types import MappingProxyType
from typing import Final, Literal, Self

from tierwise_core.errors import AmbiguousModelError, UnknownModelError
from tierwise_core.provider import ProviderTerms
from tierwise_core.route_parts import (
    NO_PRICE,
    AdapterRoute,
    Endpoint,
    OnUncertain,
    Overflow,
    Price,
    Sleep,
    TierRoute,
    WhenAsleep,
)
from tierwise_core.route_split import Split
from tierwise_core.router_policy import RouterPolicy
from tierwise_core.served_tasks import Task
from tierwise_core.tenant import TenantRoute
from tierwise_core.verifier_spec import VerifierSpec

__all__ = [
    "AUTO_MODEL",
    "GENERAL_FIELD",
    "AdapterRoute",
    "Endpoint",
    "OnUncertain",
    "Overflow",
    "Price",
    "Route",
    "RouteTable",
    "Sleep",
    "TierRoute",
    "WhenAsleep",
]

AUTO_MODEL: Final = "auto"
"""The model name with which a client leaves the choice to the router."""

GENERAL_FIELD: Final = "general"
"""The field of generalists: they take what lies outside every other field."""

NAMES_SHOWN: Final = 12
VERSION_DIGITS: Final = 12
DEFAULT_POLICY: Final = RouterPolicy()


@dataclass(frozen=True, slots=True)
class Route:
    """One Specialist as the router sees it.

    ``parent`` and ``escalate_to`` are full names (``namespace/name``). ``tier`` has most of its
    replicas; it is empty for an external provider, and for a Specialist that is not placed yet.
    ``upstream_model`` is what the endpoint expects as ``model``. ``secret`` is the name and key of
    a Secret with an API key. ``confidence_floor`` is already decided: the Specialist's own, the
    tier's or the default. ``sleep`` is None for a Specialist that nobody can wake by a request.
    ``arrives`` says that an operator keeps pods of it running: where there is none one may come.
    ``adapters`` are those it has; ``adapter`` is set in the route of one of them alone, whose
    endpoints are those that have it. ``verifiers`` check its answers. ``context_tokens`` is the
    longest prompt and answer together, 0 when nobody told. ``tasks`` is what its model serves,
    empty when nobody knows. ``loosened_floor`` is what the floor may fall to with a good record;
    None where it stays. ``provider`` are an external one's terms. ``compliance`` are standards that
    are met where it computes, ``region`` is where that is. ``overflow`` says who takes what it has
    no room for. ``split`` divides its requests while a rollout tries a candidate, None while none
    does. ``key`` is the name that is unique in the cluster, kept because every request asks
    for it again and again.

    >>> Route("demo", "sorter", "sorting", "sorter").key
    'demo/sorter'
    """

    namespace: str
    name: str
    field: str
    upstream_model: str
    endpoints: tuple[Endpoint, ...] = ()
    tier: str = ""
    parent: str | None = None
    price: Price = NO_PRICE
    confidence_floor: float = 0.85
    escalate_to: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    on_uncertain: OnUncertain = "Abstain"
    secret: tuple[str, str] | None = None
    external: bool = False
    sleep: Sleep | None = None
    arrives: bool = False
    adapters: tuple[AdapterRoute, ...] = ()
    adapter: str = ""
    verifiers: tuple[VerifierSpec, ...] = ()
    context_tokens: int = 0
    tasks: tuple[Task, ...] = ()
    latency_class: Literal["Interactive", "Batch"] = "Interactive"
    loosened_floor: float | None = None
    provider: ProviderTerms | None = None
    compliance: tuple[str, ...] = ()
    region: str = ""
    overflow: Overflow | None = None
    split: Split | None = None
    key: str = dataclass_field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.namespace}/{self.name}")

    @property
    def title(self) -> str:
        """The full name that a request may ask for: the key, and the adapter behind it.

        >>> Route("demo", "sorter", "sorting", "sorter", adapter="customer-a").title
        'demo/sorter:customer-a'
        """
        return f"{self.key}:{self.adapter}" if self.adapter else self.key

    def with_adapter(self, adapter: AdapterRoute) -> Route:
        """The route of one of its adapters; nobody is ever sent there but by name.

        >>> base = Route("demo", "sorter", "sorting", "sorter", (Endpoint("http://a", pod="a"),))
        >>> base.with_adapter(AdapterRoute("x")).upstream_model
        'sorter:x'
        >>> base.with_adapter(AdapterRoute("x", absent_from=("a",))).endpoints
        ()
        """
        absent = frozenset(adapter.absent_from)
        having = tuple(endpoint for endpoint in self.endpoints if endpoint.pod not in absent)
        return replace(
            self,
            upstream_model=f"{self.name}:{adapter.name}",
            endpoints=having if adapter.loaded else (),
            adapters=(),
            adapter=adapter.name,
            sleep=self.sleep if self.asleep else None,
            examples=(),
            overflow=None,
        )

    @property
    def ready(self) -> bool:
        """Tell whether a request can be sent to it now."""
        return bool(self.endpoints)

    @property
    def generates(self) -> bool:
        """Tell whether it may be asked to write an answer; one that embeds may not.

        >>> Route("demo", "bge", "general", "bge", tasks=("embed", "score")).generates
        False
        """
        return not self.tasks or "generate" in self.tasks

    @property
    def asleep(self) -> bool:
        """Tell whether it has no pod now and a request would bring it one.

        >>> Route("demo", "sorter", "sorting", "sorter", sleep=Sleep()).asleep
        True
        """
        return self.sleep is not None and not self.endpoints


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Every Specialist by full name, every tier by name, policy, tenants, and a content hash.

    Equal resources give an equal version on every dispatcher, whatever order they arrived in.

    >>> sorter = Route("demo", "sorter", "sorting", "sorter")
    >>> table = RouteTable.of([sorter])
    >>> table.resolve("sorter").key, table.resolve("demo/sorter").key
    ('demo/sorter', 'demo/sorter')
    >>> table.version == RouteTable.of([sorter]).version
    True
    """

    routes: Mapping[str, Route]
    tiers: Mapping[str, TierRoute]
    version: str
    by_name: Mapping[str, tuple[Route, ...]]
    adapters: Mapping[str, Route]
    policy: RouterPolicy = DEFAULT_POLICY
    tenants: Mapping[str, TenantRoute] = dataclass_field(default_factory=dict)

    @classmethod
    def of(
        cls,
        routes: Iterable[Route],
        tiers: Iterable[TierRoute] = (),
        policy: RouterPolicy = DEFAULT_POLICY,
        tenants: Iterable[TenantRoute] = (),
    ) -> Self:
        """Build a table; of two routes (or tiers) of one name the last one counts."""
        routes_by_key = {route.key: route for route in routes}
        tiers_by_name = {tier.name: tier for tier in tiers}
        ordered = [routes_by_key[key] for key in sorted(routes_by_key)]
        ordered_tiers = [tiers_by_name[name] for name in sorted(tiers_by_name)]
        tenants_by_key = {tenant.key: tenant for tenant in tenants}
        ordered_tenants = [tenants_by_key[key] for key in sorted(tenants_by_key)]
        by_name: defaultdict[str, tuple[Route, ...]] = defaultdict(tuple)
        for route in ordered:
            by_name[route.name] += (route,)
        return cls(
            routes=MappingProxyType({route.key: route for route in ordered}),
            tiers=MappingProxyType({tier.name: tier for tier in ordered_tiers}),
            version=_content_hash(ordered, ordered_tiers, policy, ordered_tenants),
            by_name=MappingProxyType(dict(by_name)),
            adapters=MappingProxyType(dict(_adapter_routes(ordered, by_name))),
            policy=policy,
            tenants=MappingProxyType({tenant.key: tenant for tenant in ordered_tenants}),
        )

    def resolve(self, model: str) -> Route:
        """Find the Specialist that a request names, by ``namespace/name`` or by ``name`` alone.

        A colon and the name of an adapter may follow. Raises UnknownModelError when nobody has the
        name, and AmbiguousModelError when several namespaces have it; both messages list the names
        that would work.
        """
        if (route := self.routes.get(model) or self.adapters.get(model)) is not None:
            return route
        base, colon, adapter = model.partition(":")
        if colon:
            raise UnknownModelError(_no_such_adapter(model, self.resolve(base), adapter))
        named = self.by_name.get(model, ())
        if len(named) == 1:
            return named[0]
        if named:
            raise AmbiguousModelError(
                f"model {model!r} exists in {len(named)} namespaces; use the full name, "
                f"one of: {', '.join(route.key for route in named)}"
            )
        raise UnknownModelError(f"model {model!r} does not exist; {self._existing_names()}")

    def current(self, route: Route) -> Route | None:
        """Find what a route of another table is in this one."""
        return (self.adapters if route.adapter else self.routes).get(route.title)

    def model_names(self) -> tuple[str, ...]:
        """List what a client may ask for: ``auto``, short names where unique, full names.

        >>> RouteTable.of([Route("demo", "sorter", "sorting", "sorter")]).model_names()
        ('auto', 'demo/sorter', 'sorter')
        """
        unique = (name for name, routes in self.by_name.items() if len(routes) == 1)
        return (AUTO_MODEL, *sorted((*self.routes, *unique, *self.adapters)))

    def _existing_names(self) -> str:
        names = list(self.routes)
        if not names:
            return "no Specialist is known yet"
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return f"use {AUTO_MODEL!r} or one of: {', '.join(names[:NAMES_SHOWN])}{more}"


def _adapter_routes(
    routes: Iterable[Route], by_name: Mapping[str, tuple[Route, ...]]
) -> Iterator[tuple[str, Route]]:
    """Yield the adapters' routes by full name, and by short name where the base's is unique."""
    for route in routes:
        for adapter in route.adapters:
            found = route.with_adapter(adapter)
            yield found.title, found
            if len(by_name[route.name]) == 1:
                yield found.upstream_model, found


def _no_such_adapter(model: str, base: Route, adapter: str) -> str:
    names = [one.name for one in base.adapters]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    known = f"it has: {', '.join(names[:NAMES_SHOWN])}{more}" if names else "it has none"
    return f"model {model!r} does not exist; {base.key} has no adapter {adapter!r}, {known}"


def _content_hash(*content: object) -> str:
    # The repr of frozen dataclasses of strings, numbers and tuples is the same on every machine.
    return hashlib.sha256(repr(content).encode()).hexdigest()[:VERSION_DIGITS]
