"""`tierwise rollout`: list, watch and explain; and to steer: pause, resume, promote, abort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import bullets, page, plain_table, print_json, reported
from tierwise_cli.rollouts.following import bare, exit_code, follow, recorded
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.options import Home, RolloutName, Watch
from tierwise_cli.rollouts.picture import save
from tierwise_cli.rollouts.places import Place, everywhere, place, split
from tierwise_cli.rollouts.starting import EXAMPLES_OF_START, EXAMPLES_OF_UNDO, start, undo
from tierwise_cli.rollouts.story import story
from tierwise_cli.rollouts.words import length
from tierwise_core.rollout.stages import Stage

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
            print_json({"rollouts": [_row(look) for look in looks]})
        else:
            _print_list(looks)


def _row(look: Look) -> dict[str, Any]:
    (_, blue), (_, green) = look.sides
    return {
        "name": look.key, "specialist": look.specialist, "stage": look.stage,
        "greenPercent": look.green_percent, "ended": look.ended,
        "utility": {"blue": blue.utility, "green": green.utility},
        "interactions": {"blue": blue.interactions, "green": green.interactions},
        "verdict": look.status.verdict.outcome if look.status.verdict else None,
        "waitsFor": look.status.waits_for or None, "news": look.news or None,
    }  # fmt: skip


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
        table.add_row(*(Text(cell) for cell in (*shown, look.news)))
    out.print(table)


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


_BEFORE_PROMOTION: Final = frozenset(
    stage.value
    for stage in Stage
    if stage
    not in {Stage.PROMOTED, Stage.COMPLETE, Stage.ROLLING_BACK, Stage.ROLLED_BACK, Stage.ABORTED}
)
_GOING_ON: Final = _BEFORE_PROMOTION | {Stage.PROMOTED.value}


def _steer(  # noqa: PLR0913 - what a command was given
    name: str,
    namespace: str | None,
    output: Output,
    access: Access,
    *,
    allowed: frozenset[str],
    does: str,
    says: str,
    watches: bool = False,
    **spec: Any,
) -> None:
    """Set fields of the spec of a Rollout that is in a stage that allows it."""
    with reported(output):
        home, which = split(name, namespace)
        with place(access, home) as here:
            look = here.one(which)
            if look.stage not in allowed:
                raise CliError(_too_late(look, does), fix=_instead(look))
            changed = here.change(look, **spec)
            if watches:
                raise typer.Exit(exit_code(follow(here.follow(changed), output)))
        if output is Output.JSON:
            print_json(_row(changed))
        else:
            typer.echo(f"{changed.key} {says}")


def _too_late(look: Look, does: str) -> str:
    return f"{look.key} cannot be {does}: it is {look.stage}"


def _instead(look: Look) -> str:
    if look.serves:
        return f"tierwise rollout undo {look.namespace}/{look.specialist} goes back"
    return f"tierwise rollout explain {look.key} tells how it ended"


@rolling.command(epilog=examples("tierwise rollout pause sorter", "tierwise rollout pause ai/s-v2"))
def pause(
    name: RolloutName,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Keep the shares as they are; nothing is promoted or rolled back until it is resumed."""
    _steer(
        name, namespace, output, Access(kubeconfig, context), allowed=_GOING_ON, does="paused",
        says="is paused; tierwise rollout resume goes on", paused=True,
    )  # fmt: skip


@rolling.command(epilog=examples("tierwise rollout resume sorter"))
def resume(  # noqa: PLR0913, PLR0917 - the options of a command
    name: RolloutName,
    watch_it: Watch = False,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Go on after a pause."""
    _steer(
        name, namespace, output, Access(kubeconfig, context), allowed=_GOING_ON, does="resumed",
        says="goes on", watches=watch_it, paused=False,
    )  # fmt: skip


@rolling.command(
    epilog=examples("tierwise rollout promote sorter", "tierwise rollout promote sorter --watch")
)
def promote(  # noqa: PLR0913, PLR0917 - the options of a command
    name: RolloutName,
    watch_it: Watch = False,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Make the candidate final at once, whatever the evidence says; blue stays for the cooldown."""
    _steer(
        name, namespace, output, Access(kubeconfig, context), allowed=_BEFORE_PROMOTION,
        does="promoted", says="is to be promoted", watches=watch_it,
        promote=True, abort=False, paused=False,
    )  # fmt: skip


@rolling.command(
    epilog=examples("tierwise rollout abort sorter", "tierwise rollout abort sorter --watch")
)
def abort(  # noqa: PLR0913, PLR0917 - the options of a command
    name: RolloutName,
    watch_it: Watch = False,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Give all traffic back to blue at once and reject the candidate."""
    _steer(
        name, namespace, output, Access(kubeconfig, context), allowed=_GOING_ON, does="aborted",
        says="is to be aborted: everything goes back to blue", watches=watch_it,
        abort=True, promote=False,
    )  # fmt: skip


rolling.command(epilog=EXAMPLES_OF_UNDO)(undo)
rolling.command(epilog=EXAMPLES_OF_START)(start)
