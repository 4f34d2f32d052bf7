"""`tierwise explain` and `tierwise feedback`: why a request was answered so, and if rightly."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from tierwise_cli.cluster import Access
from tierwise_cli.decisions import find_routers
from tierwise_cli.errors import UsageError
from tierwise_cli.options import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    OutputOption,
    examples,
)
from tierwise_cli.printing import bullets, page, print_json, reported
from tierwise_cli.routers import URL_VARIABLE
from tierwise_core.decision_record import DecisionRecord
from tierwise_core.decision_story import story, what_would_change

__all__ = ["EXAMPLES", "FEEDBACK_EXAMPLES", "explain", "feedback"]

EXAMPLES = examples(
    "tierwise explain d-x7k2p-3f9a2c41-00001f",
    "tierwise explain d-x7k2p-3f9a2c41-00001f --output json",
    "tierwise explain d-local-3f9a2c41-000001 --url http://127.0.0.1:8080",
)
FEEDBACK_EXAMPLES = examples(
    "tierwise feedback d-x7k2p-3f9a2c41-00001f --accept",
    'tierwise feedback d-x7k2p-3f9a2c41-00001f --reject --corrected "abcd"',
)

Decision = Annotated[
    str, typer.Argument(help="Its name, the x-tierwise-decision of an answer.", metavar="ID")
]
Url = Annotated[
    str | None,
    typer.Option(
        help=f"The router's address; by default {URL_VARIABLE}, then every router pod of the "
        "cluster through its API server."
    ),
]


def explain(  # noqa: PLR0913, PLR0917 - the options of a command
    decision: Decision,
    url: Url = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Tell why a request was answered by whom: candidates, scores, calls, and what decided."""
    with reported(output):
        with find_routers(url, Access(kubeconfig, context), namespace) as routers:
            row = routers.ask("GET", f"/v1/decisions/{_clean(decision)}", decision)
        record = DecisionRecord.of(row)
        if output is Output.JSON:
            print_json({**row, "wouldHaveChanged": list(what_would_change(record))})
        else:
            _print(record, row.get("feedback"))


def feedback(  # noqa: PLR0913, PLR0917 - the options of a command
    decision: Decision,
    accept: Annotated[
        bool | None,
        typer.Option("--accept/--reject", help="Whether the answer was right.", show_default=False),
    ] = None,
    corrected: Annotated[
        str | None, typer.Option(help="What would have been right.", metavar="TEXT")
    ] = None,
    comment: Annotated[
        str | None, typer.Option(help="Anything a person should know.", metavar="TEXT")
    ] = None,
    url: Url = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Tell the router whether an answer was right; the last word on a decision counts."""
    with reported(output):
        if accept is None:
            raise UsageError(
                "neither --accept nor --reject is given",
                fix=f"tierwise feedback {decision} --accept",
            )
        body: dict[str, Any] = {"decision": _clean(decision), "accepted": accept}
        body |= {
            name: text for name, text in (("corrected", corrected), ("comment", comment)) if text
        }
        with find_routers(url, Access(kubeconfig, context), namespace) as routers:
            told = routers.ask("POST", "/v1/feedback", decision, body)
        if output is Output.JSON:
            print_json(told)
        else:
            typer.echo(_noted(told))


def _clean(decision: str) -> str:
    text = decision.strip()
    if not text or "/" in text or "?" in text or "#" in text:
        raise UsageError(
            f"{decision!r} is no decision's name",
            fix="copy it from the answer: d-POD-PROCESS-NUMBER",
        )
    return text


def _noted(told: dict[str, Any]) -> str:
    word = "accepted" if told["accepted"] else "rejected"
    return f"{told['decision']} {word}{' (said before)' if told.get('duplicate') else ''}"


def _print(record: DecisionRecord, said: Any) -> None:
    out = page()
    out.print(f"[bold]{escape(record.id)}[/bold]")
    for section in story(record):
        out.print(f"\n[bold]{section.title}[/bold]")
        bullets(out, section.lines, mark="")
    if isinstance(said, dict):
        word = "accepted" if said.get("accepted") else "rejected"
        texts = (said.get("corrected"), said.get("comment"))
        more = "".join(f"; {escape(str(text))}" for text in texts if text)
        out.print(f"\n[bold]Feedback[/bold]\n  {word}{more}")
    else:
        out.print(f"\nWas it right? tierwise feedback {escape(record.id)} --accept")
