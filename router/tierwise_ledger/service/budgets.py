"""Budgets: leases for dispatchers, and what is left of each for people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tierwise_core.budget_lease import Ask
from tierwise_core.money import usd
from tierwise_ledger.errors import RequestError
from tierwise_ledger.money.leases import AccountAsk, budgets_of, day_of, exchange
from tierwise_ledger.service.answers import Answer
from tierwise_ledger.service.asked import chosen, only
from tierwise_ledger.service.bodies import read_object

__all__ = ["ROUTES"]

log = structlog.get_logger(__name__)

MOST_ASKS: Final = 10_000
MOST: Final = 2**62
SCOPES: Final = ("day", "user", "session")
NAME: Final = re.compile(r"[\x21-\x7e]{1,256}")
NUMBERS: Final = ("number", "limit", "base", "spent", "want", "need")
WHOLE: Final = 100


async def _lease(request: Request) -> Response:
    body = await read_object(request)
    return await run_in_threadpool(_exchange, request, body)


def _exchange(request: Request, body: dict[str, Any]) -> Response:
    now = request.app.state.clock()
    holder = _name(body, "holder")
    asks = body.get("asks")
    if not isinstance(asks, list) or len(asks) > MOST_ASKS:
        raise RequestError(f"asks must be a list of at most {MOST_ASKS}", field="asks")
    wanted = [_ask(one, f"asks[{at}]") for at, one in enumerate(asks)]
    if len({one.key for one in wanted}) < len(wanted):
        raise RequestError("asks name a budget twice; ask once for each", field="asks")
    with request.app.state.store.begin() as connection:
        given, alerts = exchange(connection, holder, wanted, now)
    for alert in alerts:
        log.warning(
            "budget threshold crossed", tenant=alert["tenant"], percent=alert["percent"],
            spent_usd=usd(alert["spent_nano_usd"]), limit_usd=usd(alert["limit_nano_usd"]),
        )  # fmt: skip
    leases = [
        {
            "day": one.day, "account": one.account, "number": one.number,
            "granted": one.granted, "taken": one.taken,
        }
        for one in given
    ]  # fmt: skip
    return Answer({"now": now, "day": day_of(now), "leases": leases})


def _ask(one: object, where: str) -> AccountAsk:
    if not isinstance(one, Mapping):
        raise RequestError(f"{where} must be an object", field=where)
    numbers = {name: _whole(one, name, where) for name in NUMBERS}
    scope = one.get("scope")
    if scope not in SCOPES:
        raise RequestError(
            f"{where}.scope is {scope!r}; give one of {', '.join(SCOPES)}", field=f"{where}.scope"
        )
    alert_at = one.get("alertAt", [])
    if not isinstance(alert_at, list) or not all(_is_percent(value) for value in alert_at):
        raise RequestError(
            f"{where}.alertAt is {alert_at!r}; give percentages from 1 to 100",
            field=f"{where}.alertAt",
        )
    return AccountAsk(
        _name(one, "day", where), _name(one, "account", where), _name(one, "tenant", where),
        scope, Ask(**numbers), tuple(sorted(set(alert_at))),
    )  # fmt: skip


def _is_percent(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= WHOLE


def _name(one: Mapping[str, Any], name: str, where: str = "") -> str:
    value, path = one.get(name), f"{where}.{name}" if where else name
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise RequestError(f"{path} is {str(value)[:40]!r}; give a name without spaces", field=path)
    return value


def _whole(one: Mapping[str, Any], name: str, where: str) -> int:
    value = one.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise RequestError(
            f"{where}.{name} is {value!r}; give a whole number of nano-USD, 0 or more",
            field=f"{where}.{name}",
        )
    return value


def _budgets(request: Request) -> Response:
    only(request, "tenant", "day", "scope")
    asked = request.query_params
    day = asked.get("day") or day_of(request.app.state.clock())
    with request.app.state.store.read() as connection:
        scopes = chosen(request, "scope", SCOPES)
        rows = budgets_of(connection, day, asked.get("tenant", ""), scopes)
    return Answer({"day": day, "budgets": [_told(row) for row in rows]})


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    limit, spent, granted = (row[f"{name}_nano_usd"] for name in ("limit", "spent", "granted"))
    return {
        "tenant": row["tenant"],
        "scope": row["scope"],
        "account": row["account"],
        "limitUSD": usd(limit),
        "spentUSD": usd(spent),
        # What dispatchers have in hand, and killed ones had.
        "leasedUSD": usd(max(0, granted - spent)),
        "leftUSD": usd(max(0, limit - granted)),
        "spentPercent": round(100 * spent / limit, 2) if limit else None,
    }


ROUTES = (
    Route("/v1/budgets/leases", _lease, methods=["POST"]),
    Route("/v1/budgets", _budgets),
)
