"""`tierwise calibrate`: what confidence has been worth, and the floors to take from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
import yaml

from tierwise_cli.cluster import Access, Cluster, connect
from tierwise_cli.errors import ClusterError, UsageError
from tierwise_cli.ledgers import LedgerClient, LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported
from tierwise_cli.progress import progress
from tierwise_core.floor_change import ALLOWED, allows, evidence, floor_change, worth_a_change

__all__ = ["EXAMPLES", "calibrate"]

EXAMPLES = examples(
    "tierwise calibrate",
    "tierwise calibrate --budget 0.15 --since 14d --propose > floors.yaml",
    "tierwise calibrate demo/sorter --apply",
    "tierwise calibrate --apply --allowed",
)
PATH = "/apis/tierwise.dev/v1alpha1/namespaces/{namespace}/specialists/{name}"
MERGE = "application/merge-patch+json"


def calibrate(  # noqa: PLR0913, PLR0917 - the options of a command
    specialists: Annotated[
        list[str] | None,
        typer.Argument(help="NAMESPACE/NAME of each; by default all.", metavar="SPECIALIST"),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="The share of answers that may escalate, 0 to 1."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="On answers since then, such as 14d; by default 30d.")
    ] = None,
    field: Annotated[str | None, typer.Option(help="Only this field.")] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Print the changes as YAML, with their evidence.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Make the changes, of those named or --allowed.")
    ] = False,
    allowed: Annotated[
        bool,
        typer.Option("--allowed", help=f"With --apply: those annotated {ALLOWED}: automatic."),
    ] = False,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Compare confidence with what came true, refit it, and propose floors for a budget.

    The refit is fitted on the older answers and told on the newer ones. Nothing changes without
    --apply.
    """
    with reported(output):
        if apply and not specialists and not allowed:
            raise UsageError(
                "--apply needs to know whom: neither a SPECIALIST nor --allowed is given",
                fix="tierwise calibrate demo/sorter --apply, or --apply --allowed",
            )
        access = Access(kubeconfig, context)
        with ledger(url, access, namespace) as client:
            asked = _Asked(specialists, field, since, budget)
            answer = (
                _refitted(client, asked, output)
                if since or budget is not None
                else (client.get("/v1/calibration", field=field))
            )
            reports = _of(answer["calibrations"], specialists)
            changes = worth_a_change(reports)
            if apply:
                done = _apply(client, access, changes, only_allowed=not specialists)
                _tell_done(done, output)
            elif propose:
                _propose(changes, output)
            elif output is Output.JSON:
                print_json({**answer, "calibrations": reports})
            else:
                _print(reports, changes)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody asks for; None is whatever the ledger takes."""

    specialists: Sequence[str] | None
    field: str | None
    since: str | None
    budget: float | None


def _refitted(client: LedgerClient, asked: _Asked, output: Output) -> dict[str, Any]:
    """Have one after the other refitted: all in one answer would take its time, and say nothing."""
    known = client.get("/v1/calibration/asked", field=asked.field, since=asked.since)["asked"]
    mine = [one for one in known if not asked.specialists or one["specialist"] in asked.specialists]
    reports = []
    with progress(output, len(mine)) as step:
        for one in mine:
            step(f"refitting {one['specialist']} {one['field']}".rstrip())
            answer = client.get("/v1/calibration", **one, since=asked.since, budget=asked.budget)
            reports += answer["calibrations"]
    return {"scheduled": False, "calibrations": reports}


def _of(
    reports: Iterable[Mapping[str, Any]], specialists: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    if not specialists:
        return list(reports)
    found = [report for report in reports if report["specialist"] in specialists]
    missing = sorted(set(specialists) - {report["specialist"] for report in found})
    if missing:
        raise UsageError(
            f"the ledger knows no answers of {', '.join(missing)}",
            fix="give NAMESPACE/NAME as `tierwise calibrate` lists them, or an earlier --since",
        )
    return found


def _print(reports: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> None:
    out = page()
    if not reports:
        out.print("no answers in that time; give an earlier --since")
        return
    table = plain_table("SPECIALIST", "FIELD", "JUDGED>", "BRIER>", "ECE>", "FLOOR>", "NOTE")
    for report in reports:
        said = report["proposal"]
        table.add_row(
            report["specialist"],
            report["field"] or "-",
            f"{report['judged']} of {report['answers']}",
            _moved(report["brierBefore"], report["brierAfter"]),
            _moved(report["eceBefore"], report["eceAfter"]),
            f"{said['present']:.2f}" + ("" if said["why_not"] else f" -> {said['floor']:.2f}"),
            said["why_not"] or f"lets {1 - said['escalated']:.0%} through",
        )
    out.print(table)
    if changes:
        out.print("\nthe changes, for review: tierwise calibrate --propose")


def _moved(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "-"
    return f"{before:.3f} -> {after:.3f}"


def _propose(changes: Sequence[Mapping[str, Any]], output: Output) -> None:
    if output is Output.JSON:
        print_json({"changes": [floor_change(report) for report in changes]})
        return
    if not changes:
        typer.echo("# nothing to change: tierwise calibrate tells why")
    for report in changes:
        typer.echo("---")
        for line in evidence(report):
            typer.echo(f"# {line}")
        typer.echo(yaml.safe_dump(floor_change(report), sort_keys=False, width=1000), nl=False)


def _apply(
    client: LedgerClient,
    access: Access,
    reports: Sequence[Mapping[str, Any]],
    *,
    only_allowed: bool,
) -> list[dict[str, Any]]:
    done = []
    with connect(access) as cluster:
        for report in reports:
            change = floor_change(report)
            path = PATH.format(**change["metadata"])
            before = cluster.get(path)
            if only_allowed and not allows(before):
                done.append({"specialist": report["specialist"], "applied": False})
                continue
            # A change in between is not written over.
            change["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
            after = _patch(cluster, path, change)
            _tell_audit(client, report, after)
            done.append(
                {
                    "specialist": report["specialist"],
                    "applied": True,
                    "confidenceFloor": change["spec"]["routing"]["confidenceFloor"],
                }
            )
    return done


def _patch(cluster: Cluster, path: str, change: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        answer = cluster.http.patch(path, json=change, headers={"content-type": MERGE})
    except httpx.HTTPError as error:
        raise ClusterError(f"{cluster.server} does not answer: {error}") from error
    if not answer.is_success:
        said = answer.json().get("message", "") if answer.content else ""
        raise ClusterError(
            f"the floor of {change['metadata']['name']} was not changed: status "
            f"{answer.status_code}, {said}",
            fix="look at it with `tierwise calibrate --propose`, and apply it again",
        )
    return dict(answer.json())


def _tell_audit(client: LedgerClient, report: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Have the change chained in the audit, named by what it made of the object."""
    meta = after["metadata"]
    row = {
        "kind": "audit",
        "id": f"calibration-{meta['uid']}-{meta['resourceVersion']}",
        "at": report["until"],
        "stream": "policies",
        "action": "floor-applied",
        "subject": f"Specialist/{report['specialist']}",
        "floor": report["proposal"]["floor"],
        "evidence": list(evidence(report)),
    }
    client.post("/v1/records", row)


def _tell_done(done: Sequence[Mapping[str, Any]], output: Output) -> None:
    if output is Output.JSON:
        print_json({"changes": list(done)})
        return
    if not done:
        typer.echo("nothing to change: tierwise calibrate tells why")
    for one in done:
        if one["applied"]:
            typer.echo(f"{one['specialist']}: confidenceFloor is {one['confidenceFloor']:.2f} now")
        else:
            typer.echo(f"{one['specialist']}: left as it is, it is not annotated {ALLOWED}")
