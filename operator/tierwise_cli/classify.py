"""`tierwise classify`: how good the field classifier is, or what it makes of one text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise_cli.classify_view import print_evaluation, print_reading
from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.extras import need_extra
from tierwise_cli.live import read_cluster
from tierwise_cli.manifests import Manifests, read_manifests
from tierwise_cli.options import Context, Kubeconfig, Output, OutputOption, examples
from tierwise_cli.printing import page, print_json, reported
from tierwise_cli.progress import progress
from tierwise_core.errors import TierwiseError

__all__ = ["EXAMPLES", "classify"]

EXAMPLES = examples(
    "tierwise classify --examples twenty-each.jsonl --test held-out.jsonl",
    "tierwise classify --examples A.jsonl --test B.jsonl --output json",
    'tierwise classify --routes examples/laptop/routes.yaml "sort dbca"',
    'tierwise classify --live "is this clause enforceable?"',
)
ROWS = 'JSON lines: {"text": "...", "field": "law"}; field null is out of domain.'
_NEEDED = ("numpy", "scipy", "threadpoolctl")
_STEPS = 10


def classify(  # noqa: PLR0913, PLR0917 - the options of a command
    text: Annotated[
        str | None, typer.Argument(help="Tell which field this text gets, and why.")
    ] = None,
    labelled: Annotated[Path | None, typer.Option("--examples", help=ROWS)] = None,
    test: Annotated[Path | None, typer.Option(help=f"Judge on these. {ROWS}")] = None,
    routes: Annotated[
        list[Path] | None,
        typer.Option(help="YAML files with Specialists: their examples are learned from."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Learn from the cluster's Specialists.")
    ] = False,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Train the field classifier and judge it on held-out questions, or ask it about one text."""
    with reported(output):
        need_extra("router", "tierwise classify", _NEEDED)
        if (labelled is not None) + bool(routes) + live != 1:
            raise UsageError(
                "what to learn from is not clear",
                fix="give one of --examples FILE, --routes FILE, --live",
            )
        if (text is None) == (test is None):
            raise UsageError("nothing to classify", fix='give --test FILE, or one "text"')
        with progress(output, _STEPS) as step:
            learn = _learner(labelled, routes, Access(kubeconfig, context) if live else None)
            said, problems = _run(learn, test, text, step)
        if output is Output.JSON:
            print_json(said | {"problems": problems})
            return
        print_evaluation(page(), said) if test is not None else print_reading(page(), said)
        for problem in problems:
            page(stderr=True).print(f"left out: {problem}", markup=False)


Learn = Callable[[Callable[[str], None]], tuple[Any, list[str]]]


def _learner(labelled: Path | None, routes: list[Path] | None, access: Access | None) -> Learn:
    """Choose what is learned from; the libraries are imported when it is run."""
    if labelled is not None:
        return lambda step: _from_rows(labelled, step)
    found = (
        read_manifests(routes, "--routes") if routes else read_cluster(access or Access(None, None))
    )
    return lambda step: _from_specialists(found, step)


def _from_rows(path: Path, step: Callable[[str], None]) -> tuple[Any, list[str]]:
    from tierwise_router.classifier.evaluation import classifier_of  # noqa: PLC0415 - heavy
    from tierwise_router.classifier.labelled import read_labelled  # noqa: PLC0415

    found = read_labelled(path)
    if all(row.field is None for row in found.rows):
        raise UsageError(
            f"no row of {path} has a field", fix='give rows such as {"text": "...", "field": "law"}'
        )
    return classifier_of(found.rows, step), list(found.problems)


def _from_specialists(found: Manifests, step: Callable[[str], None]) -> tuple[Any, list[str]]:
    from tierwise_router.brain import examples_of  # noqa: PLC0415 - heavy
    from tierwise_router.classifier import FieldClassifier  # noqa: PLC0415
    from tierwise_router.table import build_table  # noqa: PLC0415

    table, problems = build_table([one.body for one in (*found.tiers, *found.specialists)])
    learned = examples_of(table)
    if not any(learned.values()):
        raise CliError(
            "no Specialist has examples",
            fix="give them spec.routing.examples: twenty ways to ask, in your callers' words",
        )
    return FieldClassifier.train(learned, step=step), [str(problem) for problem in problems]


def _run(
    learn: Learn, test: Path | None, text: str | None, step: Callable[[str], None]
) -> tuple[dict[str, Any], list[str]]:
    from tierwise_router.classifier.evaluation import evaluate  # noqa: PLC0415 - heavy
    from tierwise_router.classifier.labelled import read_labelled  # noqa: PLC0415
    from tierwise_router.classifier.telling import told  # noqa: PLC0415

    try:
        step("reading rows")
        asked = read_labelled(test) if test is not None else None
        classifier, problems = learn(step)
        if asked is None:
            return told(classifier, text or ""), problems
        return evaluate(classifier, asked.rows, step), [*problems, *asked.problems]
    except CliError:
        raise
    except TierwiseError as error:
        raise CliError(str(error)) from error
