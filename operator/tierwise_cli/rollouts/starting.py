"""`tierwise rollout start` and `undo`: a candidate by hand, and back to what served before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer
import yaml
from pydantic import ValidationError

from tierwise_api import API_VERSION
from tierwise_api.base import problems
from tierwise_api.rollout import Rollout
from tierwise_cli.cluster import Access, Object
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import print_json, reported
from tierwise_cli.rollouts.following import bare, exit_code, follow
from tierwise_cli.rollouts.looks import Look, model_words
from tierwise_cli.rollouts.options import Home, SpecialistName, Watch
from tierwise_cli.rollouts.places import Place, place, split
from tierwise_core.children import SPECIALIST
from tierwise_core.rollout.gates import Gate
from tierwise_core.rollout.order import TRIGGER, TRIGGER_MESSAGE
from tierwise_core.rollout.stages import Stage

__all__ = ["EXAMPLES_OF_START", "EXAMPLES_OF_UNDO", "start", "undo"]

EXAMPLES_OF_UNDO = examples("tierwise rollout undo sorter", "tierwise rollout undo sorter --watch")
EXAMPLES_OF_START = examples(
    "tierwise rollout start sorter hf://acme/sorter --revision v3",
    "tierwise rollout start sorter hf://acme/sorter-next --strategy Stages --watch",
    "tierwise rollout start sorter s3://models/sorter/v3 --manifest > sorter-v3.yaml",
)
Strategy = Literal["Utility", "Stages", "BlueGreen", "Shadow"]
Policy = Literal["Promote", "Rollback", "Hold"]
LONGEST_STEM: Final = 50


def undo(  # noqa: PLR0913, PLR0917 - the options of a command
    specialist: SpecialistName,
    watch_it: Watch = False,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Go back to the model that served before the last promotion.

    While blue is still warm that takes a second. Later its pods start anew, and take over at once
    when they serve. The Specialist's spec is not touched: change it in git when you like.
    """
    with reported(output):
        home, which = split(specialist, namespace)
        with place(Access(kubeconfig, context), home) as here:
            look, words = _undone(here, which)
            if watch_it:
                follow(here.follow(look), output)
                return
        _told(output, look, words)


def _undone(here: Place, specialist: str) -> tuple[Look, str]:
    """Abort the Rollout that is cooling down, or start one that brings back what it replaced."""
    owner = here.specialist(specialist)
    found = here.of(specialist)
    live = [one for one in found if not (one.ended or one.serves)]
    if live:
        raise CliError(
            f"{live[-1].key} is under way ({live[-1].stage}): nothing of it was promoted yet",
            fix=f"tierwise rollout abort {live[-1].key}",
        )
    last = next((one for one in found if one.serves), None)
    if last is None:
        raise CliError(
            f"no Rollout of {here.namespace}/{specialist} was promoted: there is nothing to undo",
            fix=f"tierwise rollout start {specialist} SOURCE tries another model",
        )
    if last.stage == Stage.PROMOTED.value:
        changed = here.change(last, abort=True, promote=False, paused=False)
        return changed, f"goes back: {last.models[0]}, which is still warm, serves at once"
    before = last.status.sides.blue.model if last.status.sides else None
    if not before:
        raise CliError(
            f"{last.key} does not say what served before it",
            fix=f"tierwise rollout start {specialist} SOURCE, with the model you want back",
        )
    made = here.create(
        _body(
            owner, f"{specialist[:LONGEST_STEM]}-undo-", before,
            {"type": "BlueGreen", "skipGates": [gate.value for gate in Gate]},
            ("Undo", f"undo of {last.name}"),
        )
    )  # fmt: skip
    return made, f"brings back {model_words(before)}"


def start(  # noqa: PLR0913, PLR0917 - the options of a command
    specialist: SpecialistName,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The candidate's model, as spec.model.source.")
    ],
    revision: Annotated[str | None, typer.Option(help="Its revision.")] = None,
    name: Annotated[str | None, typer.Option(help="The Rollout's name; else one is made.")] = None,
    strategy: Annotated[Strategy, typer.Option(help="How traffic moves to it.")] = "Utility",
    on_inconclusive: Annotated[
        Policy | None, typer.Option(help="What follows when the sides do not differ.")
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(help="When to stop looking for a difference, as 24h.")
    ] = None,
    cooldown: Annotated[
        str | None, typer.Option(help="How long blue stays warm after a promotion, as 30m.")
    ] = None,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Only write the Rollout here, for GitOps.")
    ] = False,
    watch_it: Watch = False,
    namespace: Home = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Try a candidate beside the model that serves; the Specialist's spec stays as it is.

    All but source and revision of the model, such as maxModelLen, is as in the Specialist's spec.
    """
    with reported(output):
        home, which = split(specialist, namespace)
        wanted = {
            "type": strategy, "onInconclusive": on_inconclusive, "deadline": deadline,
            "cooldown": cooldown,
        }  # fmt: skip
        with place(Access(kubeconfig, context), home) as here:
            owner = here.specialist(which)
            stem = f"{which[:LONGEST_STEM]}-"
            body = _body(
                owner, stem, _candidate(owner, source, revision),
                {key: value for key, value in wanted.items() if value is not None},
                named=name,
            )  # fmt: skip
            if manifest:
                typer.echo(
                    yaml.safe_dump(_for_git(body, stem, revision), sort_keys=False), nl=False
                )
                return
            look = here.create(body)
            if watch_it:
                raise typer.Exit(exit_code(follow(here.follow(look), output)))
        _told(output, look, f"tries {look.models[1]}")


def _candidate(owner: Object, source: str, revision: str | None) -> dict[str, Any]:
    """The Specialist's model with another source; sizes and revisions belong to the old one."""
    model = owner["spec"].get("model")
    if model is None:
        raise UsageError(
            f"Specialist {owner['metadata']['name']} is external: it has no model to roll out",
            fix="change spec.external",
        )
    kept = {key: value for key, value in model.items() if key not in {"revision", "size"}}
    return {**kept, "source": source, **({"revision": revision} if revision else {})}


def _body(  # noqa: PLR0913, PLR0917 - the parts of an object
    owner: Object,
    stem: str,
    model: Mapping[str, Any],
    strategy: Mapping[str, Any],
    trigger: tuple[str, str] | None = None,
    named: str | None = None,
) -> dict[str, Any]:
    """Make a Rollout that goes with its Specialist; raises UsageError naming what is wrong."""
    meta = owner["metadata"]
    reference = {
        "apiVersion": API_VERSION, "kind": "Specialist", "name": meta["name"], "uid": meta["uid"],
    }  # fmt: skip
    metadata = {
        "name": named or f"{stem}x",
        "namespace": meta["namespace"],
        "labels": {SPECIALIST: meta["name"]},
        "ownerReferences": [reference],
    }
    if trigger is not None:
        metadata["annotations"] = {TRIGGER: trigger[0], TRIGGER_MESSAGE: trigger[1]}
    spec = {
        "specialistRef": {"name": meta["name"]},
        "candidate": {"model": dict(model)},
        "strategy": dict(strategy),
    }
    body: dict[str, Any] = {
        "apiVersion": API_VERSION, "kind": "Rollout", "metadata": metadata, "spec": spec,
    }  # fmt: skip
    try:
        Rollout.model_validate(body)
    except ValidationError as error:
        raise UsageError(
            "; ".join(problems(error)), fix="see tierwise rollout start --help"
        ) from error
    if named is None:
        metadata["generateName"] = stem
        del metadata["name"]
    return body


def _for_git(body: dict[str, Any], stem: str, revision: str | None) -> dict[str, Any]:
    """The manifest without what only this cluster knows, with a name for people."""
    metadata = dict(body["metadata"])
    del metadata["ownerReferences"]
    name = metadata.get("name") or stem + (revision or "next").lower()
    metadata.pop("generateName", None)
    return {**body, "metadata": {"name": name, **metadata}}


def _told(output: Output, look: Look, words: str) -> None:
    if output is Output.JSON:
        print_json(bare(look.body))
    else:
        typer.echo(f"{look.key} {words}\ntierwise rollout watch {look.key}")
