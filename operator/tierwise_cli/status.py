"""`tierwise status`: the fleet on one screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table

from tierwise_api import API_VERSION
from tierwise_cli.checks.seen import condition, full_name
from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import AbsentError, CliError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import console, print_json, reported

__all__ = ["EXAMPLES", "specialist_row", "status", "tier_row"]

EXAMPLES = examples(
    "tierwise status",
    "tierwise status --output json | jq '.specialists[] | select(.ready | not)'",
)

_HEADERS = {"usdPerGPUHour": "USD/GPU-H", "usdPerHour": "USD/H"}

Object = Mapping[str, Any]
Row = dict[str, Any]


def status(
    output: OutputOption = Output.TEXT, kubeconfig: Kubeconfig = None, context: Context = None
) -> None:
    """Show every tier with its GPUs and every Specialist with its place, price and state."""
    with reported(output):
        tiers, specialists = _read(Access(kubeconfig, context))
    if output is Output.JSON:
        print_json({"tiers": tiers, "specialists": specialists})
        return
    _print("GPU tiers", tiers)
    _print("Specialists", specialists)


def _read(access: Access) -> tuple[list[Row], list[Row]]:
    with connect(access) as cluster:
        try:
            tiers = cluster.items(f"/apis/{API_VERSION}/gputiers")
            specialists = cluster.items(f"/apis/{API_VERSION}/specialists")
        except AbsentError as error:
            raise CliError(
                f"{cluster.server} (context {cluster.context}) does not know tierwise's resources",
                fix="tierwise doctor",
            ) from error
    return [tier_row(t) for t in tiers], [specialist_row(s) for s in specialists]


def tier_row(tier: Object) -> Row:
    """A tier's line.

    >>> tier_row({"metadata": {"name": "l4"}, "spec": {"price": {"perGPUHour": 0.5}}})
    {'name': 'l4', 'nodes': 0, 'gpus': 0, 'free': 0, 'usdPerGPUHour': 0.5, 'ready': False, \
'reason': 'Unseen'}
    """
    counted = tier.get("status", {})
    gpus = counted.get("gpus", {})
    return {
        "name": tier["metadata"]["name"],
        "nodes": counted.get("nodes", 0),
        "gpus": gpus.get("capacity", 0),
        "free": gpus.get("free", 0),
        "usdPerGPUHour": tier["spec"].get("price", {}).get("perGPUHour"),
        **_readiness(tier),
    }


def specialist_row(specialist: Object) -> Row:
    """A Specialist's line; an external one has no tier and no GPUs."""
    state = specialist.get("status", {})
    place = state.get("placement", {})
    return {
        "name": full_name(specialist),
        "field": specialist["spec"]["field"],
        "tier": place.get("tier") or ("external" if "external" in specialist["spec"] else None),
        "gpus": place.get("gpusPerReplica", 0) * state.get("replicas", 0),
        "replicas": f"{state.get('readyReplicas', 0)}/{state.get('replicas', 0)}",
        "usdPerHour": place.get("usdPerHour"),
        **_readiness(specialist),
    }


def _readiness(thing: Object) -> Row:
    found = condition(thing, "Ready")
    return {"ready": found.get("status") == "True", "reason": found.get("reason", "Unseen")}


def _print(title: str, rows: Sequence[Row]) -> None:
    if not rows:
        console().print(f"{title}: none\n")
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        table.add_column(_HEADERS.get(name, name.upper()), no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row.values()))
    console().print(table, "")


def _cells(values: Iterable[Any]) -> list[str]:
    shown = {True: "yes", False: "no", None: "-"}
    return [
        shown[value] if value is None or isinstance(value, bool) else str(value) for value in values
    ]
