"""Builders of routes and tables: a story names only what it is about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tierwise_core.acceptance import AcceptanceModel, Cell, Known
from tierwise_core.confidence import GENERALIST_PRIOR, SPECIALIST_PRIOR, Record
from tierwise_core.route_table import Endpoint, Price, Route, RouteTable, TierRoute

FLEET = (
    TierRoute("rtx-4090", usd_per_gpu_hour=0.40, confidence_floor=0.80, escalate_to="h100"),
    TierRoute("h100", usd_per_gpu_hour=3.00, confidence_floor=0.55),
)
SORTING = (
    "sort dbca",
    "sort the letters fltxhvp",
    "please sort these letters homv",
    "put qmzab in alphabetical order",
    "alphabetize ybtmnn",
    "sort vfr from a to z",
)
REVERSING = (
    "reverse abcdef",
    "reverse the word iodcybw",
    "spell the word fefef backwards",
    "write zlwjdjoqnu backwards",
    "mirror apaxa please",
    "what is glzaeldown reversed?",
)
ADDING = (
    "add 17 and 25",
    "what is 95 + 11",
    "how much is 17 plus 29",
    "calculate 81+57",
    "13+68",
    "the sum of 3 and 26",
)


def a_route(name: str, field: str = "general", **changed: Any) -> Route:
    """A ready Specialist in the namespace demo; ``usd`` is its price per replica and hour."""
    usd = changed.pop("usd", 0.40)
    pods = changed.pop("pods", 1)
    given = {
        "namespace": "demo",
        "upstream_model": name,
        "tier": "rtx-4090",
        "endpoints": tuple(Endpoint(f"http://10.0.0.{pod}:8000") for pod in range(pods)),
        "price": Price(usd_per_replica_hour=usd),
        "confidence_floor": 0.80 if field == "general" else 0.85,
    }
    return Route(name=name, field=field, **{**given, **changed})


def a_table(*routes: Route, tiers: Iterable[TierRoute] = FLEET) -> RouteTable:
    """A table of the routes on the two tiers of the quickstart."""
    return RouteTable.of(routes, tiers)


def the_demo() -> RouteTable:
    """Three specialists, a generalist beside them, and a frontier on the large tier."""
    return a_table(
        a_route("sorter", "sorting", parent="demo/generalist", examples=SORTING),
        a_route("reverser", "reversing", parent="demo/generalist", examples=REVERSING),
        a_route("adder", "arithmetic", parent="demo/generalist", examples=ADDING),
        a_route("generalist", escalate_to=("demo/frontier",)),
        a_route("frontier", tier="h100", usd=3.00, confidence_floor=0.55),
    )


def recorded(name: str, record: Record, *, takes_over: bool = False) -> AcceptanceModel:
    """What is known when one Specialist of demo has a record, and nobody else."""
    prior = GENERALIST_PRIOR if takes_over else SPECIALIST_PRIOR
    accepted = prior.accepted + record.accepted
    count = accepted + prior.rejected + record.rejected
    support = record.accepted + record.rejected
    known = Known(record, Cell(accepted / count, support))
    return AcceptanceModel({(f"demo/{name}", ""): known})
