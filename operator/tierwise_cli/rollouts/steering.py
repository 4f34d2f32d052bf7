"""`tierwise rollout pause`, `resume`, `promote` and `abort`: a word in a Rollout's spec."""

from __future__ import annotations

from typing import Any, Final

import typer

from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import print_json, reported
from tierwise_cli.rollouts.following import exit_code, follow
from tierwise_cli.rollouts.looks import Look, row
from tierwise_cli.rollouts.options import Home, RolloutName, Watch
from tierwise_cli.rollouts.places import place, split
from tierwise_core.rollout.stages import Stage

__all__ = [
    "ABORT_EXAMPLES", "PAUSE_EXAMPLES", "PROMOTE_EXAMPLES", "RESUME_EXAMPLES",
    "abort", "pause", "promote", "resume",
]  # fmt: skip

PAUSE_EXAMPLES = examples("tierwise rollout pause sorter", "tierwise rollout pause ai/s-v2")
RESUME_EXAMPLES = examples("tierwise rollout resume sorter")
PROMOTE_EXAMPLES = examples(
    "tierwise rollout promote sorter", "tierwise rollout promote sorter --watch"
)
ABORT_EXAMPLES = examples("tierwise rollout abort sorter", "tierwise rollout abort sorter --watch")

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
            print_json(row(changed))
        else:
            typer.echo(f"{changed.key} {says}")


def _too_late(look: Look, does: str) -> str:
    return f"{look.key} cannot be {does}: it is {look.stage}"


def _instead(look: Look) -> str:
    if look.serves:
        return f"tierwise rollout undo {look.namespace}/{look.specialist} goes back"
    return f"tierwise rollout explain {look.key} tells how it ended"


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
