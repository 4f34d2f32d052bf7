"""Looks at the fleet, written down as spans: each moment once, whoever looks and however often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from tierwise_core.attribution import Rates
from tierwise_core.bill import HOUR_MS, PriceChange, Span
from tierwise_core.capacity import Held, Look, Stretch, Unit, since_last
from tierwise_ledger.money.changes import latest
from tierwise_ledger.money.days import forget_from
from tierwise_ledger.money.fleet_view import FleetView
from tierwise_ledger.tables.capacity import CAPACITY_GAPS, CAPACITY_SPANS, FLEET_LOOKS
from tierwise_ledger.tables.prices import PRICES, REPLICA_RATES, TENANT_CHARGES
from tierwise_ledger.upsert import insert_new, replace_rows

__all__ = ["FLEET", "last_look", "put_prices", "take_view"]

FLEET: Final = "fleet"
NEVER: Final = -1


def take_view(connection: Connection, view: FleetView) -> Stretch:
    """Write down a look, in the caller's transaction; several may look at the same fleet.

    Of two looks at the same moment, and of one that comes late, the second changes nothing.
    """
    last = _locked(connection)
    stretch = since_last(last, view.look)
    if not stretch.taken:
        return stretch
    if stretch.cut_at_ms is not None:
        _cut(connection, stretch.cut_at_ms)
        forget_from(connection, stretch.cut_at_ms)
    if stretch.gap is not None:
        start, end = stretch.gap
        replace_rows(connection, CAPACITY_GAPS, [{"start_ms": start, "end_ms": end}])
    _add_spans(connection, stretch.spans)
    _add_prices(connection, view.prices)
    _add_rates(connection, view)
    _remember(connection, view)
    return stretch


def last_look(connection: Connection) -> tuple[Look, list[Mapping[str, Any]]] | None:
    """Give the last look, and who sat where; None before the first."""
    row = connection.execute(select(FLEET_LOOKS).where(FLEET_LOOKS.c.name == FLEET)).first()
    if row is None or row.at_ms == NEVER:
        return None
    return _look(row.at_ms, row.held), list(row.seats)


def _locked(connection: Connection) -> Look | None:
    """Read the last look, so that nobody else looks until the transaction has ended."""
    insert_new(
        connection, FLEET_LOOKS, "name", [{"name": FLEET, "at_ms": NEVER, "held": [], "seats": []}]
    )
    query = select(FLEET_LOOKS).where(FLEET_LOOKS.c.name == FLEET).with_for_update()
    row = connection.execute(query).one()
    return None if row.at_ms == NEVER else _look(row.at_ms, row.held)


def _look(at_ms: int, held: Iterable[Any]) -> Look:
    return Look(
        at_ms,
        {
            Unit(tier, holder, market): Held(gpus, watts)
            for tier, holder, market, gpus, watts in held
        },
    )


def _remember(connection: Connection, view: FleetView) -> None:
    held = [
        [unit.tier, unit.holder, unit.market, part.gpus, part.watts]
        for unit, part in view.look.held.items()
    ]
    seats = [asdict(seat) for seat in view.seats]
    row = {"name": FLEET, "at_ms": view.look.at_ms, "held": held, "seats": seats}
    replace_rows(connection, FLEET_LOOKS, [row])


def _add_spans(connection: Connection, spans: Iterable[Span]) -> None:
    spans = list(spans)
    if not spans:
        return
    table = CAPACITY_SPANS
    query = select(table).where(table.c.end_ms == spans[0].start_ms)
    ending = {
        (row.tier, row.holder, row.market, row.gpus, row.measured, row.joules is None): row
        for row in connection.execute(query)
    }
    new = []
    for span in spans:
        kind = (span.tier, span.holder, span.market, span.gpus, span.measured, span.joules is None)
        before = ending.get(kind)
        if before is None:
            new.append(asdict(span))
            continue
        joules = None if span.joules is None else span.joules + (before.joules or 0)
        longer = {"end_ms": span.end_ms, "joules": joules}
        connection.execute(update(table).where(table.c.seq == before.seq).values(longer))
    if new:
        connection.execute(insert(table), new)


def _cut(connection: Connection, at_ms: int) -> None:
    """Take back what a clock that was ahead wrote beyond now."""
    table = CAPACITY_SPANS
    connection.execute(delete(table).where(table.c.start_ms >= at_ms))
    connection.execute(update(table).where(table.c.end_ms > at_ms).values(end_ms=at_ms))
    connection.execute(delete(CAPACITY_GAPS).where(CAPACITY_GAPS.c.start_ms >= at_ms))
    connection.execute(
        update(CAPACITY_GAPS).where(CAPACITY_GAPS.c.end_ms > at_ms).values(end_ms=at_ms)
    )
    connection.execute(delete(PRICES).where(PRICES.c.at_ms > at_ms))


def _add_prices(connection: Connection, prices: Iterable[PriceChange]) -> None:
    """Write down prices that changed; one that is as it was says nothing new."""
    known = {_key(row): _said(row) for row in latest(connection, PRICES, ("tier", "market"))}
    rows = [
        row for price in prices if (row := asdict(price)) and _said(row) != known.get(_key(row))
    ]
    replace_rows(connection, PRICES, rows)


def put_prices(connection: Connection, prices: Iterable[PriceChange]) -> None:
    """Write down what GPUs cost from some moment on, also one that has long passed."""
    rows = [asdict(price) for price in prices]
    replace_rows(connection, PRICES, rows)
    if rows:
        forget_from(connection, min(row["at_ms"] for row in rows))


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["tier"], row["market"]


def _said(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("gpu_hour_nano_usd", "kwh_nano_usd", "ops_hour_nano_usd", "tdp_watts")
    return tuple(row[name] for name in names)


def _add_rates(connection: Connection, view: FleetView) -> None:
    """Write down rates that changed, once an hour at most, and what tenants pay now."""
    known = {
        (row["specialist"], row["tier"]): _rates_in(row)
        for row in latest(connection, REPLICA_RATES, ("specialist", "tier"))
    }
    at_ms = view.look.at_ms - view.look.at_ms % HOUR_MS
    rates = [
        {"specialist": specialist, "tier": tier, "at_ms": at_ms, **asdict(one)}
        for (specialist, tier), one in sorted(view.rates.items())
        if known.get((specialist, tier)) != one
    ]
    charges = [{"tenant": name, **asdict(one)} for name, one in sorted(view.charges.items())]
    replace_rows(connection, REPLICA_RATES, rates)
    replace_rows(connection, TENANT_CHARGES, charges)


def _rates_in(row: Mapping[str, Any]) -> Rates:
    return Rates(row["prefill_mtps"], row["decode_mtps"], row["gpus"], row["measured"])
