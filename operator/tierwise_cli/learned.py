"""`tierwise claims` and `tierwise drift`: who contradicts whom, and what has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from tierwise_cli.cluster import Access
from tierwise_cli.ledgers import LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported

__all__ = ["CLAIMS_EXAMPLES", "DRIFT_EXAMPLES", "claims", "drift"]

CLAIMS_EXAMPLES = examples(
    "tierwise claims",
    "tierwise claims --specialist demo/sorter --since 7d",
    "tierwise claims --query 0f3ab1c2d4e5f607",
)
DRIFT_EXAMPLES = examples(
    "tierwise drift",
    "tierwise drift --since 6h --before 14d --all",
    "tierwise drift --specialist demo/sorter -o json",
)
ALERT = 1

Since = Annotated[
    str | None, typer.Option(help="How long ago (24h, 7d), a date, or seconds since the epoch.")
]


def claims(  # noqa: PLR0913, PLR0917 - the options of a command
    query: Annotated[
        str | None, typer.Option(help="Who said what about this question (its query id).")
    ] = None,
    specialist: Annotated[str | None, typer.Option(help="NAMESPACE/NAME of one.")] = None,
    field: Annotated[str | None, typer.Option(help="Only this field.")] = None,
    since: Since = None,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Tell how often Specialists contradict each other or what is known, and on which questions.

    A rate is told from 20 comparable answers on; below that only the interval it may lie in.
    """
    with reported(output):
        with ledger(url, Access(kubeconfig, context), namespace) as client:
            asked = {"query": query, "specialist": specialist, "field": field, "since": since}
            found = client.get("/v1/claims", **asked)
        if output is Output.JSON:
            print_json(found)
        elif query is not None:
            _print_question(query, found)
        else:
            _print_rates(found)


def _print_question(query: str, found: Mapping[str, Any]) -> None:
    out = page()
    if not found["claims"]:
        out.print(f"nothing comparable was said about {escape(query)} in that time")
        return
    table = plain_table("DECISION", "SPECIALIST", "REVISION", "ANSWER", "SURE>", "KNOWN", "AT ODDS")
    for one in found["claims"]:
        said = {True: "right", False: "wrong", None: "-"}[one["verdict"]]
        table.add_row(
            one["decision"], one["specialist"], one["revision"] or "-", one["answer"][:8],
            f"{one['confidence']:.2f}", said, one["contradicts"] or "-",
        )  # fmt: skip
    out.print(table)


def _print_rates(found: Mapping[str, Any]) -> None:
    out = page()
    if not found["rates"]:
        out.print(
            "no claims in that time: answers are compared when they are short or JSON, and judged"
        )
        return
    table = plain_table(
        "SPECIALIST", "REVISION", "FIELD", "COMPARED>", "AT ODDS>", "RATE>", "95 % INTERVAL"
    )
    for one in found["rates"]:
        table.add_row(
            one["specialist"], one["revision"] or "-", one["field"] or "-",
            f"{one['compared']} of {one['claims']}", str(one["contradicted"]),
            "too few" if one["rate"] is None else f"{one['rate']:.1%}",
            f"{one['low']:.1%} to {one['high']:.1%}",
        )  # fmt: skip
    out.print(table)
    if found["atOdds"]:
        out.print("\n[bold]questions with answers at odds[/bold]")
        for one in found["atOdds"][:10]:
            out.print(
                f"  {one['query']}: {one['answers']} answers in {one['claims']} claims, "
                f"{one['contradicted']} at odds"
            )
        out.print("who said what: tierwise claims --query QUERY")


def drift(  # noqa: PLR0913, PLR0917
    since: Since = None,
    before: Annotated[
        str | None, typer.Option(help="How far to look back before that; by default 7d.")
    ] = None,
    specialist: Annotated[
        str | None, typer.Option(help="Only the answers of NAMESPACE/NAME.")
    ] = None,
    field: Annotated[str | None, typer.Option(help="Only the questions of this field.")] = None,
    all_signals: Annotated[
        bool, typer.Option("--all", help="Show also what has not moved.")
    ] = False,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Compare the last day's questions, answers and confidences with those of the week before.

    Exits with 1 where something moved by much more than chance would have it.
    """
    with reported(output):
        side = "specialist" if specialist else ("field" if field else None)
        with ledger(url, Access(kubeconfig, context), namespace) as client:
            found = client.get(
                "/v1/drift", since=since, before=before, side=side, name=specialist or field,
                all=all_signals or None,
            )  # fmt: skip
        if output is Output.JSON:
            print_json(found)
        else:
            _print_drift(found)
    if found["alerts"]:
        raise typer.Exit(ALERT)


def _print_drift(found: Mapping[str, Any]) -> None:
    out = page()
    out.print(f"{found['compared']} signals compared, {found['alerts']} have moved")
    if not found["shifts"]:
        return
    table = plain_table("OF", "SIGNAL", "HOW MUCH", "PSI>", "KS>", "CASES>", "MOST")
    for one in found["shifts"]:
        distance = "-" if one["distance"] is None else f"{one['distance']:.2f}"
        table.add_row(
            f"{one['side']} {one['name'] or '(none)'}", one["signal"], one["severity"],
            f"{one['psi']:.2f}", distance, f"{one['before']} / {one['now']}",
            one["why"][0] if one["why"] else "-",
        )  # fmt: skip
    out.print(table)
