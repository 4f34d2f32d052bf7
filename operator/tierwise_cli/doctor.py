"""`tierwise doctor`: looks at everything, says what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import typer
from rich.markup import escape

from tierwise_cli.checks import Check, Outcome, checks, worst
from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import ClusterError
from tierwise_cli.gathering import gather
from tierwise_cli.options import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    OutputOption,
    examples,
)
from tierwise_cli.printing import console, print_json

__all__ = ["EXAMPLES", "doctor", "examine"]

EXAMPLES = examples(
    "tierwise doctor",
    "tierwise doctor --context production --namespace tierwise-system",
    "tierwise doctor --output json | jq '.checks[] | select(.status != \"ok\")'",
)
_MARKS = {
    Outcome.OK: "[green]ok  [/green]",
    Outcome.WARN: "[yellow]warn[/yellow]",
    Outcome.FAIL: "[red]fail[/red]",
}
_NAME_WIDTH = 11


def doctor(
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Check cluster, CRDs, nodes, GPUs, tiers, operator, router, Specialists and what is recorded.

    Each check says how to fix what is wrong. The exit code is 1 if one of them failed; warnings
    do not count.
    """
    results = examine(Access(kubeconfig, context), namespace)
    if output is Output.JSON:
        print_json(as_json(results))
    else:
        for check in results:
            _print(check)
        console().print(f"\n{verdict(results)}")
    raise typer.Exit(int(_is_broken(results)))


def examine(access: Access, namespace: str) -> list[Check]:
    """Every check's result; one failed check if the cluster cannot be read at all."""
    try:
        with connect(access) as cluster:
            seen = gather(cluster, namespace, version("tierwise"), datetime.now(UTC))
    except ClusterError as error:
        return [Check("cluster", Outcome.FAIL, str(error), fix=error.fix)]
    return checks(seen)


def as_json(results: Iterable[Check]) -> dict[str, Any]:
    """The results for another program: ``ok`` is false if a check failed."""
    listed = list(results)
    return {"ok": not _is_broken(listed), "checks": [asdict(check) for check in listed]}


def verdict(results: Iterable[Check]) -> str:
    """The last line.

    >>> verdict([Check("nodes", Outcome.OK, "fine")])
    'Everything is as it should be.'
    >>> verdict([Check("nodes", Outcome.FAIL, "lost"), Check("tiers", Outcome.WARN, "none")])
    '1 to mend, 1 to look at: nodes, tiers. Begin with the first.'
    """
    bad = [check for check in results if check.status != Outcome.OK]
    if not bad:
        return "Everything is as it should be."
    failed = sum(check.status == Outcome.FAIL for check in bad)
    counts = {"to mend": failed, "to look at": len(bad) - failed}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{told}: {', '.join(check.name for check in bad)}. Begin with the first."


def _is_broken(results: Iterable[Check]) -> bool:
    return worst(check.status for check in results) is Outcome.FAIL


def _print(check: Check) -> None:
    out = console()
    out.print(f"{_MARKS[check.status]}  {check.name:<{_NAME_WIDTH}} {escape(check.summary)}")
    indent = " " * (len("fail  ") + _NAME_WIDTH + 1)
    for line in check.details:
        out.print(f"{indent}{escape(line)}")
    if check.fix:
        out.print(f"{indent}[bold]fix:[/bold] {escape(check.fix)}")
