"""`tierwise status`: the fleet on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from tierwise_api import API_VERSION
from tierwise_cli.checks.seen import condition, full_name
from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import AbsentError, CliError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import page, print_json, reported

__all__ = ["EXAMPLES", "specialist_row", "status", "tier_row"]

EXAMPLES = examples(
    "tierwise status",
    "tierwise status --output json | jq '.specialists[] | select(.ready | not)'",
)

_HEADERS = {"usdPerGPUHour": "USD/GPU-H", "usdPerHour": "USD/H"}
_NUMBERS = {"nodes", "gpus", "free", "replicas", *_HEADERS}
_LONG = {"name", "field", "tier", "reason"}

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
    """A Specialist's line; an external one has no tier and no GPUs.

    >>> state = {"replicas": 3, "readyReplicas": 3, "placement": {"tiers": [
    ...     {"tier": "l40s", "replicas": 2, "gpusPerReplica": 1},
    ...     {"tier": "a100", "replicas": 1, "gpusPerReplica": 2}]}}
    >>> row = specialist_row({"metadata": {"name": "x"}, "spec": {"field": "f"}, "status": state})
    >>> row["tier"], row["gpus"]
    ('l40s + a100', 4)
    """
    state = specialist.get("status", {})
    place = state.get("placement", {})
    shares = place.get("tiers") or [{**place, "replicas": state.get("replicas", 0)}]
    names = [share["tier"] for share in shares if share.get("tier")]
    return {
        "name": full_name(specialist),
        "field": specialist["spec"]["field"],
        "tier": " + ".join(names) or ("external" if "external" in specialist["spec"] else None),
        "gpus": sum(share.get("gpusPerReplica", 0) * share.get("replicas", 0) for share in shares),
        "replicas": f"{state.get('readyReplicas', 0)}/{state.get('replicas', 0)}",
        "usdPerHour": place.get("usdPerHour"),
        **_readiness(specialist),
    }


def _readiness(thing: Object) -> Row:
    found = condition(thing, "Ready")
    return {"ready": found.get("status") == "True", "reason": found.get("reason", "Unseen")}


def _print(title: str, rows: Sequence[Row]) -> None:
    out = page()
    if not rows:
        out.print(f"{title}: none\n")
        return
    out.print(title, style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in rows[0]:
        table.add_column(
            _HEADERS.get(name, name.upper()),
            justify="right" if name in _NUMBERS else "left",
            no_wrap=name not in _LONG,
        )
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    out.print(table)
    out.print()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if name in _HEADERS else str(value)
