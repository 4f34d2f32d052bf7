"""`tierwise export`: rows to train and to test with."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.errors import ManifestError
from tierwise_cli.ledgers import LedgerClient, LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, examples
from tierwise_cli.printing import reported

__all__ = ["EXAMPLES", "export"]

EXAMPLES = examples(
    "tierwise export dpo --since 30d --file pairs.jsonl",
    "tierwise export sft --specialist demo/sorter > sft.jsonl",
    "tierwise export dpo --rollout demo/sorter-9c0e --holdout 0",
    "tierwise export evals --contents kept.jsonl --holdout 0.2 --file evals.jsonl",
)
AT_ONCE = 500
NOTHING = (
    "no row: each needs the texts of a decision (which spec.contents of the RouterPolicy keeps, or "
    "your own by --contents) and somebody's word on its answer (tierwise feedback); a question is "
    "either in evals (a share of them, --holdout) or in dpo and sft"
)


def export(  # noqa: PLR0913, PLR0917 - the options of a command
    kind: Annotated[
        str,
        typer.Argument(help="dpo: pairs; sft: right answers to imitate; evals: questions to test."),
    ],
    since: Annotated[
        str | None, typer.Option(help="From decisions since then, such as 14d; by default 30d.")
    ] = None,
    specialist: Annotated[str | None, typer.Option(help="Only what this one was asked.")] = None,
    field: Annotated[str | None, typer.Option(help="Only this field.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    rollout: Annotated[
        str | None,
        typer.Option(help="Only what this rollout, NAMESPACE/NAME, took back: of negative weight."),
    ] = None,
    holdout: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0,
            help="The share of questions that are in evals only, and never in dpo or sft.",
        ),
    ] = 0.1,
    contents: Annotated[
        Path | None,
        typer.Option(
            help='Your own log of texts, where the ledger keeps none: JSON lines {"decision", '
            '"messages", "answers": {"0": TEXT}}.',
            exists=True, dir_okay=False, readable=True,
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Write here; by default to standard output.", dir_okay=False)
    ] = None,
    url: LedgerUrl = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:  # fmt: skip
    """Write JSON lines for training: what was asked, what was right, what was wrong, how bad it is.

    They load in `datasets` and TRL as they are. Needs the texts of decisions: stored by the ledger,
    or your own with --contents.
    """
    with reported(Output.TEXT), ExitStack() as held:
        client = held.enter_context(ledger(url, Access(kubeconfig, context), namespace))
        query = {
            "since": since, "specialist": specialist, "field": field, "tenant": tenant,
            "holdout": holdout, "rollout": rollout,
        }  # fmt: skip
        rows = _rows(client, f"/v1/export/{kind}", query, contents)
        out = held.enter_context(file.open("w", encoding="utf-8")) if file else sys.stdout
        counts = _write(out, rows)
        if not counts:
            typer.echo(NOTHING, err=True)
        if file is not None:
            by_field = ", ".join(f"{count} of {name or '(none)'}" for name, count in counts)
            typer.echo(f"{sum(count for _, count in counts)} rows in {file}: {by_field or 'none'}")


def _rows(
    client: LedgerClient, path: str, query: Mapping[str, Any], contents: Path | None
) -> Iterator[Mapping[str, Any]]:
    if contents is None:
        yield from map(json.loads, client.text(path, **query))
        return
    # A list in parts, so that a long log is not held in memory, here or there.
    for part in _parts(contents):
        yield from client.post(path, {"contents": part}, **query)["rows"]


def _parts(path: Path) -> Iterator[Sequence[Mapping[str, Any]]]:
    part: list[Mapping[str, Any]] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                part.append(json.loads(line))
            except ValueError as error:
                raise ManifestError(f"{path}, line {number}: {error}") from error
            if len(part) == AT_ONCE:
                yield part
                part = []
    if part:
        yield part


def _write(out: TextIO, rows: Iterator[Mapping[str, Any]]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["field"]] += 1
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    return counts.most_common()
