"""Figures of the live ledger, for what a file leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.economics.cases import FigureError, case_of, loaded, read_case
from tierwise_cli.errors import UsageError
from tierwise_cli.ledgers import LedgerClient, ledger
from tierwise_core.economics.measured import (
    cost_fields,
    load_fields,
    matrix_fields,
    traffic_fields,
)
from tierwise_core.errors import EconomicsError

__all__ = [
    "ByOption",
    "Chosen",
    "FieldOption",
    "Live",
    "LiveOption",
    "Since",
    "Source",
    "case",
    "fine_tune_fields",
    "gate_fields",
    "latency_fields",
    "payback_fields",
    "route_fit_fields",
]

Case = TypeVar("Case")
Fields = dict[str, Any]
Source = Callable[[LedgerClient, "Chosen", Mapping[str, Any]], Fields]

LiveOption = Annotated[
    bool,
    typer.Option("--live", help="Fill what FILE leaves out from the ledger; so does --ledger."),
]
Since = Annotated[
    str, typer.Option(help="The ledger's time: how long ago (24h, 7d) or a date.", metavar="TIME")
]
FieldOption = Annotated[
    str | None, typer.Option("--field", help="Only this field's answers.", metavar="NAME")
]
ByOption = Annotated[
    str, typer.Option(help="What a row is: field, workload or tenant.", metavar="LABEL")
]
HOUR_S: Final = 3600
ROWS: Final = ("field", "workload", "tenant")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which of the ledger's figures: since when, of which field, in rows of what."""

    since: str = "7d"
    field: str | None = None
    by: str = "field"


@dataclass(frozen=True, slots=True)
class Live:
    """The ledger to ask, if any is to be."""

    wanted: bool
    url: str | None
    access: Access
    namespace: str

    @property
    def asked(self) -> bool:
        """Whether the command line asks for it."""
        return self.wanted or self.url is not None

    @contextmanager
    def client(self) -> Iterator[LedgerClient]:
        """Find it; raises LedgerError where there is none."""
        with ledger(self.url, self.access, self.namespace) as found:
            yield found


def case(kind: type[Case], file: Path | None, live: Live, chosen: Chosen, source: Source) -> Case:
    """Read a case: the file's fields before the ledger's, where the ledger is asked at all."""
    if not live.asked:
        return case_of(kind, file)
    if chosen.by not in ROWS:
        raise UsageError(f"--by is {chosen.by!r}; give one of {', '.join(ROWS)}")
    own = loaded(file) if file else {}
    if not isinstance(own, Mapping):
        return read_case(kind, own, str(file))
    with live.client() as client:
        try:
            found = source(client, chosen, own)
        except EconomicsError as error:
            raise FigureError(str(error)) from error
        where = f"{file or 'the ledger'}"
    return read_case(kind, {**found, **own}, where)


def payback_fields(client: LedgerClient, chosen: Chosen, own: Mapping[str, Any]) -> Fields:
    """Give ``current`` and ``acceptedPerMonth``."""
    if "current" in own and "acceptedPerMonth" in own:
        return {}
    found = _cost(client, chosen)
    volume = found.pop("acceptedPerMonth")
    return {"current": found, "acceptedPerMonth": volume}


def fine_tune_fields(client: LedgerClient, chosen: Chosen, own: Mapping[str, Any]) -> Fields:
    """Give ``usdPerAccepted`` and ``acceptedPerMonth``; what the tuning saves is not known here."""
    if "usdPerAccepted" in own and "acceptedPerMonth" in own:
        return {}
    found = _cost(client, chosen)
    return {name: found[name] for name in ("usdPerAccepted", "acceptedPerMonth")}


def gate_fields(client: LedgerClient, chosen: Chosen, _own: Mapping[str, Any]) -> Fields:
    """Give ``patterns``: the load of the day that the ledger saw."""
    said = client.get("/v1/summary", by="hour,state", since=chosen.since, field=chosen.field)
    name = f"{chosen.field or 'all fields'}, as seen"
    return load_fields(said["sums"], said["since"], _end(said), name)


def route_fit_fields(client: LedgerClient, chosen: Chosen, _own: Mapping[str, Any]) -> Fields:
    """Give the whole matrix: workloads over the tiers that answered them."""
    said = client.get(
        "/v1/summary", by=f"{chosen.by},tier,state", since=chosen.since, field=chosen.field
    )
    return matrix_fields(said["sums"], chosen.by, _end(said) - said["since"])


def latency_fields(client: LedgerClient, chosen: Chosen, own: Mapping[str, Any]) -> Fields:
    """Give ``traffic``; nothing where the file has its own."""
    if "traffic" in own:
        return {}
    said = client.get("/v1/ui/waiting", since=chosen.since)
    return traffic_fields(said["kinds"], said["until"] - said["since"])


def _cost(client: LedgerClient, chosen: Chosen) -> Fields:
    """Tell the bill's LCPR where the fleet was seen, else that of the calls."""
    bill = client.get("/v1/cost", by="field", since=chosen.since, idle="fleet")
    groups = [one for one in bill["groups"] if chosen.field in {None, one["name"]}]
    accepted = sum(one["accepted"] for one in groups)
    if bill["fleetSeenAt"] is not None:
        seconds = bill["until"] - bill["since"]
        guessed = any(one["marks"]["usdPerAccepted"] == "estimated" for one in groups)
        usd = sum(one["usd"] for one in groups)
        return cost_fields(usd, accepted, seconds, "estimated" if guessed else "measured")
    said = client.get("/v1/summary", by="state", since=chosen.since, field=chosen.field)
    usd = sum(row["cost_usd"] for row in said["sums"])
    return cost_fields(usd, accepted, _end(said) - said["since"], "estimated")


def _end(said: Mapping[str, Any]) -> float:
    """Give the end of a time up to now: the ledger's ends with the hour that comes."""
    return float(said["until"]) - HOUR_S
