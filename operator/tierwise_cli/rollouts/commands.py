"""`tierwise rollout`: list, watch and explain; and to steer: pause, resume, promote, abort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import UsageError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import bullets, page, plain_table, print_json, reported
from tierwise_cli.rollouts import steering
from tierwise_cli.rollouts.following import bare, exit_code, follow, recorded
from tierwise_cli.rollouts.looks import Look, row
from tierwise_cli.rollouts.options import Home
from tierwise_cli.rollouts.picture import save
from tierwise_cli.rollouts.places import Place, everywhere, place, split
from tierwise_cli.rollouts.starting import EXAMPLES_OF_START, EXAMPLES_OF_UNDO, start, undo
from tierwise_cli.rollouts.story import story
from tierwise_cli.rollouts.words import length

__all__ = ["rolling"]

rolling = typer.Typer(
    no_args_is_help=True,
    help="Rollouts: see how a new revision does on live traffic, and steer it.",
)

Recording = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Play a recording again (what `watch --output json` printed) instead of a cluster; "
        "- is standard input.",
    ),
]


@rolling.command(
    "list",
    epilog=examples(
        "tierwise rollout list",
        "tierwise rollout list -n ai",
        "tierwise rollout list --output json | jq '.rollouts[] | select(.ended | not)'",
    ),
)
def list_rollouts(
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAMESPACE", help="Only this one's."),
    ] = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """List Rollouts, those that go on first, with their shares and utilities."""
    with reported(output):
        with connect(Access(kubeconfig, context)) as cluster:
            found = Place(cluster, namespace).all() if namespace else everywhere(cluster)
        looks = sorted(found, key=lambda look: look.ended)
        if output is Output.JSON:
            print_json({"rollouts": [row(look) for look in looks]})
        else:
            _print_list(looks)


def _print_list(looks: Iterable[Look]) -> None:
    out, now = page(), datetime.now(UTC)
    rows = list(looks)
    if not rows:
        out.print("no Rollout: one begins when spec.model of a Specialist that serves changes")
        return
    table = plain_table("NAME", "SPECIALIST", "STAGE", "GREEN>", "U BLUE>", "U GREEN>", "AGE>", "")
    for look in rows:
        utilities = ("-" if one.utility is None else f"{one.utility:.3f}" for _, one in look.sides)
        age = length((now - look.created).total_seconds()) if look.created else "-"
        shown = (look.key, look.specialist, look.stage, f"{look.green_percent} %", *utilities, age)
        table.add_row(*(Text(cell) for cell in (*shown, _briefly(look))))
    out.print(table)


def _briefly(look: Look) -> str:
    """One word of how it ended, or what it waits for."""
    return look.status.verdict.reason if look.status.verdict else look.news


@rolling.command(
    epilog=examples(
        "tierwise rollout watch sorter",
        "tierwise rollout watch ai/sorter-5d8f7c9b --output json > rollout.jsonl",
        "tierwise rollout watch --from rollout.jsonl --svg rollout.svg",
    )
)
def watch(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A Rollout, or a Specialist.")
    ] = None,
    recording: Recording = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it too: an animated picture.")
    ] = None,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Show shares, utilities and evidence as they change, to the end; exits with 1 if it goes back.

    A line for each change where no terminal is; with --output json the whole Rollout each time.
    """
    with reported(output):
        _one_of(name, recording, "watch")
        seen: list[Look] = []
        if recording is not None:
            last = follow(_kept(recorded(recording), seen), output)
        else:
            home, which = split(str(name), namespace)
            with place(Access(kubeconfig, context), home) as here:
                last = follow(_kept(here.follow(here.one(which)), seen), output)
        if svg is not None:
            save(svg, seen)
    raise typer.Exit(exit_code(last))


def _one_of(name: str | None, recording: Path | None, command: str) -> None:
    if (name is None) == (recording is None):
        raise UsageError(
            "NAME and --from are both given" if name else "neither NAME nor --from is given",
            fix=f"tierwise rollout {command} NAME; tierwise rollout list shows the names",
        )


def _kept(looks: Iterable[Look], seen: list[Look]) -> Iterator[Look]:
    """Pass looks on, and keep them."""
    for look in looks:
        seen.append(look)
        yield look


@rolling.command(
    epilog=examples(
        "tierwise rollout explain sorter",
        "tierwise rollout explain ai/sorter-5d8f7c9b -o json",
        "tierwise rollout explain --from rollout.jsonl",
    )
)
def explain(  # noqa: PLR0913, PLR0917 - the options of a command
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A Rollout, or a Specialist.")
    ] = None,
    recording: Recording = None,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Tell why a rollout stands where it stands: every step in numbers, and what comes next."""
    with reported(output):
        _one_of(name, recording, "explain")
        look = None
        if recording is not None:
            for look in recorded(recording):  # noqa: B007 - the last one counts
                pass
        else:
            home, which = split(str(name), namespace)
            with place(Access(kubeconfig, context), home) as here:
                look = here.one(which)
        if look is None:
            raise UsageError("the recording is empty", fix="record one: tierwise rollout watch")
        told = story(look)
        if output is Output.JSON:
            sections = [{"title": one.title, "lines": list(one.lines)} for one in told]
            print_json({"rollout": bare(look.body), "story": sections})
            return
        out = page()
        out.print(
            Text.assemble(
                (look.key, "bold"),
                f" of {look.specialist}: {look.stage}, {look.green_percent} % to the candidate",
            )
        )
        for section in told:
            out.print(f"\n[bold]{section.title}[/bold]")
            bullets(out, section.lines, mark="")


rolling.command(epilog=steering.PAUSE_EXAMPLES)(steering.pause)
rolling.command(epilog=steering.RESUME_EXAMPLES)(steering.resume)
rolling.command(epilog=steering.PROMOTE_EXAMPLES)(steering.promote)
rolling.command(epilog=steering.ABORT_EXAMPLES)(steering.abort)
rolling.command(epilog=EXAMPLES_OF_UNDO)(undo)
rolling.command(epilog=EXAMPLES_OF_START)(start)
