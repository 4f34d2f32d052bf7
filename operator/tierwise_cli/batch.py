"""`tierwise batch`: many requests at once, answered when there is room."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tierwise_cli.batch_client import ENDED, KEY_VARIABLE, BatchClient
from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, UsageError
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import console, page, plain_table, print_json, reported
from tierwise_cli.routers import URL_VARIABLE, find_router

__all__ = ["batching"]

batching = typer.Typer(
    no_args_is_help=True,
    help="Many requests at once, answered when there is room: OpenAI's batches.",
)

_LOOK_SECONDS = 1.0
_BAD_ENDS = frozenset({"failed", "expired"})
BatchId = Annotated[str, typer.Argument(metavar="ID", help="The batch, as `list` shows it.")]
Url = Annotated[
    str | None,
    typer.Option(
        help=f"The router's address; by default {URL_VARIABLE}, then the cluster's router through "
        "its API server."
    ),
]
Key = Annotated[
    str, typer.Option(help=f"An API key, where the router wants one; by default {KEY_VARIABLE}.")
]


@contextmanager
def _client(
    output: Output,
    url: str | None,
    key: str,
    access: tuple[Path | None, str | None, str],
) -> Iterator[BatchClient]:
    kubeconfig, context, namespace = access
    with reported(output), find_router(url, Access(kubeconfig, context), namespace) as router:
        yield BatchClient(router, key)


@batching.command(
    epilog=examples(
        "tierwise batch submit questions.jsonl",
        "tierwise batch submit texts.jsonl --endpoint /v1/embeddings --window 2h --watch",
        "tierwise batch submit questions.jsonl --metadata team=a --output json",
    )
)
def submit(  # noqa: PLR0913, PLR0917 - the options of a command
    file: Annotated[
        Path,
        typer.Argument(
            help='One request a line: {"custom_id", "method": "POST", "url", "body"}.',
            dir_okay=False,
        ),
    ],
    endpoint: Annotated[
        str, typer.Option(help="What every line asks for; its url must be the same.")
    ] = "/v1/chat/completions",
    window: Annotated[
        str, typer.Option(help="By when it must be done: minutes, hours or days, as 24h.")
    ] = "24h",
    metadata: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE to remember with it; repeat it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Wait for its end.")] = False,
    url: Url = None,
    key: Key = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Upload a file of requests and begin a batch over it."""
    with _client(output, url, key, (kubeconfig, context, namespace)) as client:
        batch = client.submit(file, endpoint, window, _pairs(metadata or []))
        if watch:
            _watch(client, batch["id"], output)
        else:
            _tell(batch, output)


@batching.command(
    "list", epilog=examples("tierwise batch list", "tierwise batch list --limit 5 --output json")
)
def list_batches(  # noqa: PLR0913, PLR0917 - the options of a command
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    url: Url = None,
    key: Key = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """List the newest batches."""
    with _client(output, url, key, (kubeconfig, context, namespace)) as client:
        batches = list(client.newest(limit))
        if output is Output.JSON:
            print_json({"batches": batches})
            return
        table = plain_table("id", "status", "done>", "failed>", "total>", "created")
        for batch in batches:
            table.add_row(*_row(batch))
        page().print(table)


@batching.command(epilog=examples("tierwise batch watch batch_0199..."))
def watch(  # noqa: PLR0913, PLR0917 - the options of a command
    batch: BatchId,
    url: Url = None,
    key: Key = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Wait for the end of a batch; exits with 1 when it failed or expired."""
    with _client(output, url, key, (kubeconfig, context, namespace)) as client:
        _watch(client, batch, output)


@batching.command(
    epilog=examples(
        "tierwise batch results batch_0199...",
        "tierwise batch results batch_0199... --errors --to errors.jsonl",
    )
)
def results(  # noqa: PLR0913, PLR0917 - the options of a command
    batch: BatchId,
    errors: Annotated[
        bool, typer.Option("--errors", help="The lines without an answer instead.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(help="A file to write to instead of standard output.")
    ] = None,
    url: Url = None,
    key: Key = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Print the answers of a batch that has ended, one JSON object a line."""
    with _client(output, url, key, (kubeconfig, context, namespace)) as client:
        found = client.get(batch)
        if found["status"] not in ENDED:
            raise CliError(
                f"{batch} is {found['status']}: its answers are there when it has ended",
                fix=f"tierwise batch watch {batch}",
            )
        file_id = found["error_file_id" if errors else "output_file_id"]
        pieces = client.content(file_id) if file_id else iter(())
        _save(pieces, to)


@batching.command(epilog=examples("tierwise batch cancel batch_0199..."))
def cancel(  # noqa: PLR0913, PLR0917 - the options of a command
    batch: BatchId,
    url: Url = None,
    key: Key = "",
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Stop a batch; what it has answered is kept."""
    with _client(output, url, key, (kubeconfig, context, namespace)) as client:
        _tell(client.cancel(batch), output)


def _pairs(texts: list[str]) -> dict[str, str]:
    """Read NAME=VALUE.

    >>> _pairs(["team=a"])
    {'team': 'a'}
    """
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--metadata is {text!r}", fix="write NAME=VALUE, as team=a")
        pairs[name] = value
    return pairs


def _save(pieces: Iterator[bytes], to: Path | None) -> None:
    if to is None:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    with to.open("wb") as file:
        for piece in pieces:
            file.write(piece)


def _watch(client: BatchClient, batch_id: str, output: Output) -> None:
    with _bar(visible=output is Output.TEXT) as seen:
        batch = client.until_ended(batch_id, seen, _LOOK_SECONDS)
    _tell(batch, output)
    if batch["status"] in _BAD_ENDS:
        raise typer.Exit(1)


@contextmanager
def _bar(*, visible: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A progress bar on standard error, where it is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    err = console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), console=err, disable=not (visible and err.is_terminal)
    ) as progress:
        task = progress.add_task("validating", total=None)

        def seen(batch: dict[str, Any]) -> None:
            counts = batch["request_counts"]
            done = counts["completed"] + counts["failed"]
            total = counts["total"] or None
            progress.update(task, description=batch["status"], completed=done, total=total)

        yield seen


def _tell(batch: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(batch)
        return
    _id, status, done, failed, total, _created = _row(batch)
    out = console()
    out.print(f"{batch['id']} is {status}: {done} of {total} answered, {failed} failed")
    for problem in (batch["errors"] or {"data": []})["data"]:
        where = f"line {problem['line']}: " if problem["line"] else ""
        out.print(f"  {where}{problem['message']}", markup=False)
    if batch["output_file_id"] or batch["error_file_id"]:
        flag = "" if batch["output_file_id"] else " --errors"
        out.print(f"  tierwise batch results {batch['id']}{flag}")
    elif batch["status"] not in ENDED:
        out.print(f"  tierwise batch watch {batch['id']}")


def _row(batch: dict[str, Any]) -> tuple[str, str, str, str, str, str]:
    counts = batch["request_counts"]
    created = datetime.fromtimestamp(batch["created_at"], tz=UTC).strftime("%Y-%m-%d %H:%M")
    numbers = (str(counts[name]) for name in ("completed", "failed", "total"))
    return (batch["id"], batch["status"], *numbers, created)
