"""`tierwise ask`: one question, the answer, and who gave it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import httpx
import typer
from rich.markup import escape

from tierwise_cli.answers import Provenance, Told, deltas, text_of
from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, RouterError
from tierwise_cli.options import (
    Context,
    Kubeconfig,
    Namespace,
    Output,
    OutputOption,
    examples,
)
from tierwise_cli.printing import console, print_json, reported
from tierwise_cli.routers import KEY_VARIABLE, URL_VARIABLE, Router, find_router

__all__ = ["EXAMPLES", "ask"]

EXAMPLES = examples(
    'tierwise ask "sort dbca"',
    'tierwise ask "sort dbca" --model sorter --url http://127.0.0.1:8080',
    'tierwise ask "write a limerick" --stream',
    'echo "sort dbca" | tierwise ask - --output json',
)

_LABEL_WIDTH = 13


def ask(  # noqa: PLR0913, PLR0917 - the options of a command
    question: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="auto lets the router choose; or a Specialist.")
    ] = "auto",
    url: Annotated[
        str | None,
        typer.Option(
            help=f"The router's address; by default {URL_VARIABLE}, then the cluster's router "
            f"through its API server. Where there are Tenants, {KEY_VARIABLE} has the key."
        ),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer alone.")] = False,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="By default the model's own.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait.")] = 120.0,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Ask one question; print the answer, who gave it, its confidence, its cost and the way."""
    with reported(output):
        body = _body(_read(question), model, temperature, max_tokens)
        with find_router(url, Access(kubeconfig, context), namespace) as router:
            if stream and output is Output.TEXT:
                provenance = _stream(router, body, timeout)
            else:
                told = _whole(router, body, timeout)
                provenance = told.provenance
                _print_answer(told, output)
    if output is Output.TEXT and not quiet:
        _print_provenance(provenance)


def _read(question: str) -> str:
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise CliError("the question is empty", fix='tierwise ask "sort dbca"')
    return text.strip()


def _body(
    question: str, model: str, temperature: float | None, max_tokens: int | None
) -> dict[str, Any]:
    """The chat completion to ask for; what is not set is left to the model."""
    chosen = {"temperature": temperature, "max_tokens": max_tokens}
    return {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        **{name: value for name, value in chosen.items() if value is not None},
    }


def _whole(router: Router, body: dict[str, Any], timeout_seconds: float) -> Told:
    with router.chat(body, timeout_seconds) as response:
        response.read()
        try:
            completion = response.json()
            return Told(text_of(completion), body["model"], Provenance.of(response.headers))
        except (ValueError, LookupError, TypeError) as error:
            raise _no_completion(router, response) from error


def _no_completion(router: Router, response: httpx.Response) -> RouterError:
    return RouterError(
        f"what answers {router.where} does not speak OpenAI's API: {response.text[:120]!r}",
        fix="correct --url",
    )


def _stream(router: Router, body: dict[str, Any], timeout_seconds: float) -> Provenance:
    comments: list[str] = []
    with router.chat({**body, "stream": True}, timeout_seconds) as response:
        for piece in deltas(response.iter_lines(), comments):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")
        return Provenance.of(response.headers).at_the_end(comments)


def _print_answer(told: Told, output: Output) -> None:
    if output is Output.JSON:
        print_json(told.as_json())
    else:
        sys.stdout.write(f"{told.answer}\n")


def _print_provenance(provenance: Provenance) -> None:
    out = console()
    out.print()
    for label, text in provenance.rows():
        out.print(f"  [dim]{label:<{_LABEL_WIDTH}}[/dim]{escape(text)}")
