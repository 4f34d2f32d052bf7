"""A dispatcher with its real listener on loopback, and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Self

import httpx

from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.route_table import Endpoint, Price, Route, RouteTable, TierRoute
from tierwise_core.router_policy import RouterPolicy
from tierwise_core.tenant import TenantRoute
from tierwise_router.app import App
from tierwise_router.brain import Brain
from tierwise_router.dispatcher import Dispatcher
from tierwise_router.listener import Listener, claim_port
from tierwise_router.settings import Settings
from tierwise_router.tracing.answering import app_of

SORTING = (
    "sort dbca",
    "sort the letters of zyx",
    "please sort hgfe",
    "put the letters qwe in alphabetical order",
)
ADDING = ("add 17 and 25", "what is 3 plus 4", "17+25", "sum of 9 and 12")
PATIENCE_S = 60.0
TIERS = (TierRoute("small", 0.4, None, "big"), TierRoute("big", 3.0, 0.55, None))


def route(name: str, *urls: str, **changes: object) -> Route:
    """A Specialist of namespace demo; by default it sorts on the small tier."""
    fields: dict[str, object] = {
        "field": "sorting",
        "upstream_model": name,
        "tier": "small",
        "price": Price(usd_per_replica_hour=0.4),
        "examples": SORTING,
        "endpoints": tuple(Endpoint(url) for url in urls),
    }
    return Route(**{"namespace": "demo", "name": name, **fields, **changes})  # type: ignore[arg-type]


def general(name: str, *urls: str, **changes: object) -> Route:
    """A generalist on the big tier."""
    fields: dict[str, object] = {
        "field": "general",
        "tier": "big",
        "examples": (),
        "price": Price(usd_per_replica_hour=3.0),
        "confidence_floor": 0.55,
    }
    return route(name, *urls, **{**fields, **changes})


def brain(
    *routes: Route, policy: ResiliencePolicy | None = None, tenants: Iterable[TenantRoute] = ()
) -> Brain:
    of_router = RouterPolicy(resilience=policy or ResiliencePolicy())
    return Brain.build(RouteTable.of(routes, TIERS, of_router, tenants))


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until something has happened; fails when it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell it
            await asyncio.sleep(0.001)


@dataclass(slots=True)
class Running:
    """A dispatcher that listens, and an HTTP client for it."""

    dispatcher: Dispatcher
    listener: Listener
    app: App
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    @classmethod
    async def start(
        cls,
        *routes: Route,
        settings: Settings | None = None,
        policy: ResiliencePolicy | None = None,
        tenants: Iterable[TenantRoute] = (),
        patience_s: float = 30.0,
    ) -> Self:
        dispatcher = Dispatcher.create(settings or Settings())
        if routes:
            dispatcher.take(brain(*routes, policy=policy, tenants=tenants))
        app = app_of(dispatcher)
        listener = await Listener.open(app, claim_port("127.0.0.1", 0), 5, patience_s)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.port}", timeout=60)
        return cls(dispatcher, listener, app, client)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    async def chat(self, text: str, model: str = "auto", **fields: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
        return await self.client.post("/v1/chat/completions", json=body)

    async def stop(self) -> None:
        await self.client.aclose()
        await self.listener.drain()
        await asyncio.to_thread(self.app.close)
        self.dispatcher.client.close()
