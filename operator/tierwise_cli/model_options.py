"""Options about models and where they are read from, for the commands that size them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tierwise_cli.errors import UsageError
from tierwise_cli.models import Sources
from tierwise_core.errors import InvalidSizeError
from tierwise_core.quantities import parse_quantity

__all__ = [
    "Endpoint",
    "ModelRoots",
    "Offline",
    "amount",
    "prices",
    "source_of",
    "sources",
]

_MODELS = "Where models are read from"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w][\w./-]*)?")

Endpoint = Annotated[
    str,
    typer.Option(
        help="The Hub, or a server that answers like it; by default HF_ENDPOINT, then "
        "huggingface.co. A token for gated models is taken from HF_TOKEN.",
        rich_help_panel=_MODELS,
        metavar="URL",
    ),
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Read nothing over the network: size by spec.model.size, or by what runs.",
        rich_help_panel=_MODELS,
    ),
]
ModelRoots = Annotated[
    list[str] | None,
    typer.Option(
        "--model-root",
        help="Where a directory of the nodes is on this machine, for file:// models: "
        "/models=examples/models. Repeatable.",
        rich_help_panel=_MODELS,
        metavar="PATH=DIR",
    ),
]


def sources(endpoint: str, *, offline: bool, roots: Sequence[str]) -> Sources:
    """The options put together.

    Raises:
        UsageError: a --model-root is not PATH=DIR.
    """
    return Sources(endpoint, offline, dict(_root(text) for text in roots))


def _root(text: str) -> tuple[str, Path]:
    path, equals, place = text.partition("=")
    if not (equals and path.startswith("/") and place):
        raise UsageError(
            f"--model-root {text!r}: is not PATH=DIR", fix="write --model-root /models=./models"
        )
    if not Path(place).is_dir():
        raise UsageError(f"--model-root {text!r}: there is no directory {place} here")
    return path.rstrip("/") or "/", Path(place)


def source_of(text: str) -> str:
    """A source as ``spec.model.source`` has it, out of what a person types.

    Raises:
        UsageError: it is neither a source, nor a directory, nor OWNER/NAME.

    >>> source_of("Qwen/Qwen3-4B"), source_of("hf://Qwen/Qwen3-4B")
    ('hf://Qwen/Qwen3-4B', 'hf://Qwen/Qwen3-4B')
    """
    if "://" in text:
        return text
    path = Path(text)
    if path.is_dir():
        return f"file://{path.resolve()}"
    if path.is_file():
        return _config(path)
    if REPOSITORY.fullmatch(text) and not text.startswith((".", "/", "~")):
        return f"hf://{text}"
    raise UsageError(
        f"{text!r} is no model: there is no such directory here, and it is no OWNER/NAME",
        fix="give hf://OWNER/NAME, a directory with config.json, or the config.json itself",
    )


def _config(path: Path) -> str:
    if path.name != "config.json":
        raise UsageError(
            f"{text_of(path)} is a file, but no config.json",
            fix="give the directory of the model, or its config.json",
        )
    return f"file://{path.resolve().parent}"


def text_of(path: Path) -> str:
    """A path in quotes, for a message."""
    return repr(str(path))


def amount(option: str, text: str | None) -> int | None:
    """A quantity such as 40Gi or 7G.

    Raises:
        UsageError: it is none, or not above zero.
    """
    if text is None:
        return None
    try:
        value = parse_quantity(text)
    except InvalidSizeError as error:
        raise UsageError(f"{option} {error}") from error
    if value <= 0:
        raise UsageError(f"{option} {text!r}: must be above 0", fix=f"write {option} 40Gi")
    return value


def prices(texts: Sequence[str], option: str = "--price") -> dict[str, float]:
    """``PRODUCT=USD`` pairs: what one GPU costs for one hour.

    Raises:
        UsageError: one is not written so, or is not above zero.

    >>> prices(["l4=0.44"])
    {'l4': 0.44}
    """
    found = {}
    for text in texts:
        name, equals, usd = text.partition("=")
        try:
            price = float(usd)
        except ValueError:
            price = -1.0
        if not (equals and name and 0 < price < float("inf")):
            raise UsageError(
                f"{option} {text!r}: is not NAME=USD with a price above 0",
                fix=f"write {option} rtx-4090=0.40; hardware of your own costs its share of the "
                "purchase and of energy",
            )
        found[name] = price
    return found
