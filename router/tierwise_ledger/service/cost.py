"""What it cost, and the way in for looks at the fleet where there is no cluster to look at."""

from __future__ import annotations

from typing import Any, Final, cast, get_args

from prometheus_client.core import CollectorRegistry, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_core.attribution import IdlePolicy
from tierwise_core.bill import PriceChange
from tierwise_core.cost_report import DIMENSIONS, CostReport, Dimension
from tierwise_core.money import cents, usd
from tierwise_ledger.errors import RequestError
from tierwise_ledger.money.fleet_view import read_view
from tierwise_ledger.money.leases import budgets_of, day_of
from tierwise_ledger.money.looks import last_look, put_prices, take_view
from tierwise_ledger.money.reports import Period, gaps, report, seen_until
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import chosen, only, span
from tierwise_ledger.service.bodies import read_object

__all__ = ["ROUTES"]

POLICIES: Final = get_args(IdlePolicy)
MS: Final = 1000
MOST_DAYS: Final = 366
DAY_S: Final = 86_400


def _cost(request: Request) -> Response:
    only(request, "by", "since", "until", "idle")
    by = cast("Dimension", _one(request, "by", DIMENSIONS, "specialist"))
    policy = cast("IdlePolicy", _one(request, "idle", POLICIES, "holder"))
    period = _period(request)
    with request.app.state.store.read() as connection:
        found, whole = report(connection, period, by, policy)
        unknown = gaps(connection, period)
        seen_ms = seen_until(connection)
    return Answer(
        {
            "since": period.since,
            "until": period.until,
            "idle": policy,
            "fleetUSD": str(cents(whole.nano_usd)),
            "fleetNanoUSD": whole.nano_usd,
            "gapSeconds": sum(end - start for start, end in unknown) / MS,
            "fleetSeenAt": None if seen_ms is None else seen_ms / MS,
            "unpricedGPUHours": whole.unpriced_ms / MS / 3600,
            **found.to_json(),
        }
    )


def _one(request: Request, name: str, among: tuple[str, ...], default: str) -> str:
    words = chosen(request, name, among)
    if len(words) > 1:
        raise RequestError(f"{name} is given {len(words)} times; give one", field=name)
    return words[0] if words else default


def _period(request: Request) -> Period:
    asked = span(request)
    now = request.app.state.clock()
    period = Period.around(asked.since, min(asked.until, max(now, asked.since + 1)))
    if period.until - period.since > MOST_DAYS * DAY_S:
        raise RequestError(f"since is more than {MOST_DAYS} days before until", field="since")
    return period


def _metrics(request: Request) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return _cost(request)
    only(request, "since", "until", "idle")
    policy = cast("IdlePolicy", _one(request, "idle", POLICIES, "holder"))
    period = _period(request)
    with request.app.state.store.read() as connection:
        found = [report(connection, period, by, policy)[0] for by in DIMENSIONS[:2]]
        budgets = budgets_of(connection, day_of(request.app.state.clock()), scopes=("day",))
    registry = CollectorRegistry()
    registry.register(_Costs(found))
    registry.register(_BudgetGauges(budgets))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Costs(Collector):
    """The figures of the last day as Prometheus' gauges, by Specialist and by tier."""

    FIGURES: Final = {
        "usd": "What it cost, in USD.",
        "gpuHours": "GPU hours, busy and idle.",
        "idleShare": "The idle part of the GPU time.",
        "usdPer1kTokens": "USD by a thousand tokens in and out.",
        "usdPerAccepted": "USD by accepted answer, everything included.",
        "queriesPerGPUHour": "Requests by GPU hour.",
        "passedOnRate": "The part of the calls whose answer was not taken.",
        "wattHours": "Energy of the GPUs.",
        "requestsPerWattHour": "Requests by watt hour.",
        "revenuePerWattHour": "What tenants pay, in USD, by watt hour.",
    }
    NAMES: Final = {
        "usd": "usd", "gpuHours": "gpu_hours", "idleShare": "idle_share",
        "usdPer1kTokens": "usd_per_1k_tokens", "usdPerAccepted": "usd_per_accepted",
        "queriesPerGPUHour": "queries_per_gpu_hour", "passedOnRate": "passed_on_rate",
        "wattHours": "watt_hours", "requestsPerWattHour": "requests_per_watt_hour",
        "revenuePerWattHour": "revenue_per_watt_hour",
    }  # fmt: skip

    def __init__(self, reports: list[CostReport]) -> None:
        self._reports = [one.to_json() for one in reports]

    def collect(self) -> list[Metric]:
        """Give a family for each figure; a figure that cannot be given is left out."""
        return [self._family(figure) for figure in self.FIGURES]

    def _family(self, figure: str) -> Metric:
        name, text = f"tierwise_cost_{self.NAMES[figure]}", self.FIGURES[figure]
        family = GaugeMetricFamily(name, text, labels=["by", "name", "mark"])
        for told in self._reports:
            for group in told["groups"]:
                if group[figure] is not None:
                    mark = group["marks"].get(figure, "measured")
                    family.add_metric([told["by"], group["name"], mark], group[figure])
        return family


class _BudgetGauges(Collector):
    """What tenants may spend today, and have spent, as Prometheus' gauges."""

    def __init__(self, budgets: list[dict[str, Any]]) -> None:
        self._budgets = budgets

    def collect(self) -> list[Metric]:
        """Give a family for each figure."""
        return [
            self._family("limit", "What a tenant may spend today, in USD."),
            self._family("spent", "What of it is known to be spent, in USD."),
            self._family("granted", "What of it routers have been given, in USD."),
        ]

    def _family(self, figure: str, text: str) -> Metric:
        family = GaugeMetricFamily(f"tierwise_budget_{figure}_usd", text, labels=["tenant"])
        for row in self._budgets:
            family.add_metric([row["tenant"]], usd(row[f"{figure}_nano_usd"]))
        return family


def _fleet(request: Request) -> Response:
    only(request)
    with request.app.state.store.read() as connection:
        found = last_look(connection)
    if found is None:
        return Answer({"at": None, "held": [], "seats": []})
    look, seats = found
    held = [
        {
            "tier": unit.tier, "holder": unit.holder, "market": unit.market, "gpus": part.gpus,
            "watts": part.watts,
        }
        for unit, part in look.held.items()
    ]  # fmt: skip
    return Answer({"at": look.at_ms / MS, "held": held, "seats": seats})


async def _take(request: Request) -> Response:
    body = await read_object(request)
    return await run_in_threadpool(_take_look, request, body)


def _take_look(request: Request, body: dict[str, Any]) -> Response:
    view = read_view(body, request.app.state.clock())
    with request.app.state.store.begin() as connection:
        stretch = take_view(connection, view)
    return Answer({"taken": stretch.taken, "spans": len(stretch.spans), "gap": stretch.gap})


async def _price(request: Request) -> Response:
    body = await read_object(request)
    return await run_in_threadpool(_put_price, request, body)


def _put_price(request: Request, body: dict[str, Any]) -> Response:
    now = request.app.state.clock()
    view = read_view({"at": body.pop("from", now), "tiers": [body]}, now)
    with request.app.state.store.begin() as connection:
        put_prices(connection, view.prices)
    return Answer({"prices": [_price_json(price) for price in view.prices]})


def _price_json(price: PriceChange) -> dict[str, Any]:
    return {"tier": price.tier, "market": price.market, "from": price.at_ms / MS}


ROUTES = (
    Route("/v1/cost", _cost),
    Route("/metrics/cost", _metrics),
    Route("/v1/fleet", _fleet),
    Route("/v1/capacity", _take, methods=["POST"]),
    Route("/v1/prices", _price, methods=["POST"]),
)
