"""``tierwise fetch``, which is also what an engine pod runs before its engine."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from tierwise_core.errors import TierwiseError
from tierwise_core.quantities import format_bytes, parse_quantity
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.origins import DEFAULT_ENDPOINT, Access, origin_of
from tierwise_operator.weights.cache import WeightCache
from tierwise_operator.weights.fetch import Fetched, Wish
from tierwise_operator.weights.fetch import fetch as fetch_wish
from tierwise_operator.weights.hold import hold
from tierwise_operator.weights.progress import Progress, duration

__all__ = ["EXAMPLES", "fetch"]

REQUEST_SECONDS: Final = 30.0
MESSAGE_BYTES: Final = 4000
"""A little less than Kubernetes keeps of a termination message."""

EXAMPLES: Final = """Examples:

  tierwise fetch hf://Qwen/Qwen3-0.6B --to ./qwen3

  tierwise fetch s3://models/sorter --to ./sorter --s3-endpoint http://minio:9000

  tierwise fetch oci://ghcr.io/acme/sorter:v1 --to ./sorter --verify --output json

  tierwise fetch hf://Qwen/Qwen3-0.6B --to ./qwen3 --cache /var/cache/models --max-bytes 200Gi"""


class Form(StrEnum):
    """For a person, or for another program."""

    TEXT = "text"
    JSON = "json"


def _quantity(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_quantity(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write it as 200Gi") from error


def fetch(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    source: Annotated[str, typer.Argument(help="hf://, s3:// or oci://, as in spec.model.source.")],
    to: Annotated[Path, typer.Option(help="The directory to fill; with --cache the link to make.")],
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit; in a registry a tag or digest.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="A directory that keeps models for others too.")
    ] = None,
    max_bytes: Annotated[
        str | None,
        typer.Option(help="How large the cache may grow, as 200Gi; by default the disk's size."),
    ] = None,
    verify: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--verify", help="Read every byte of what is there already.")
    ] = False,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Files at the same time.")] = 4,
    hf_endpoint: Annotated[
        str, typer.Option(envvar="HF_ENDPOINT", help="The Hub or a mirror of it.")
    ] = DEFAULT_ENDPOINT,
    s3_endpoint: Annotated[
        str | None,
        typer.Option(
            envvar="TIERWISE_S3_ENDPOINT",
            help="A store that speaks S3, unless AWS_ENDPOINT_URL names one; by default Amazon.",
        ),
    ] = None,
    insecure_registry: Annotated[
        list[str] | None,
        typer.Option(help="A registry (host:port) to be spoken to without TLS; repeatable."),
    ] = None,
    hold_lease: Annotated[  # noqa: FBT002 - likewise
        bool,
        typer.Option("--hold", help="Then stay, and keep the model from leaving the cache."),
    ] = False,
    termination_log: Annotated[
        Path | None, typer.Option(help="Write what went wrong there too, as a pod's last words.")
    ] = None,
    output: Annotated[
        Form, typer.Option("--output", "-o", help="text for people, json for programs.")
    ] = Form.TEXT,
) -> None:
    """Bring a model's files to this machine: resumed, checked by hash, shared through a cache.

    Credentials come from the environment: HF_TOKEN; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    AWS_REGION; TIERWISE_DOCKER_CONFIG_JSON with the text of a Docker config.json.
    """
    if hold_lease and cache is None:
        raise typer.BadParameter("--hold needs --cache: without one there is nothing to keep")
    place = WeightCache(cache, _quantity(max_bytes)) if cache is not None else None
    wish = Wish(source, revision, to, place, verify, at_once)
    begun = time.monotonic()
    try:
        found = asyncio.run(_fetched(wish, hf_endpoint, s3_endpoint, insecure_registry or ()))
    except TierwiseError as error:
        _fail(error, output, termination_log)
        raise typer.Exit(1) from error
    _tell(found, time.monotonic() - begun, output)
    if hold_lease and found.lease is not None:
        sys.stdout.flush()
        hold(found.lease)


async def _fetched(
    wish: Wish, hf_endpoint: str, s3_endpoint: str | None, insecure: tuple[str, ...] | list[str]
) -> Fetched:
    credentials = Credentials.from_environment(os.environ)
    progress = Progress(lambda line: typer.echo(line, err=True), time.monotonic)
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
        access = Access(
            client,
            hub_endpoint=hf_endpoint,
            s3_endpoint=s3_endpoint,
            insecure_registries=tuple(insecure),
            credentials=credentials,
        )
        asked = replace(wish, reader=access.mark())
        return await fetch_wish(asked, lambda where: origin_of(where, access), progress)


def _tell(found: Fetched, seconds: float, output: Form) -> None:
    if output is Form.JSON:
        typer.echo(json.dumps(_as_json(found, seconds), indent=2))
        return
    filled = found.filled
    parts = {
        "downloaded": filled.downloaded_bytes,
        "taken from other models": filled.reused_bytes,
        "there already": filled.kept_bytes,
    }
    told = ", ".join(f"{format_bytes(size)} {what}" for what, size in parts.items() if size)
    typer.echo(f"{found.path} has revision {found.revision}: {told} ({duration(seconds)})")


def _as_json(found: Fetched, seconds: float) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "revision": found.revision,
        "stale": found.stale,
        "downloaded_bytes": found.filled.downloaded_bytes,
        "reused_bytes": found.filled.reused_bytes,
        "kept_bytes": found.filled.kept_bytes,
        "seconds": round(seconds, 3),
    }


def _fail(error: TierwiseError, output: Form, termination_log: Path | None) -> None:
    """Say what is wrong on stderr or as JSON, and as the last words of the pod."""
    if output is Form.JSON:
        typer.echo(json.dumps({"error": {"reason": error.reason, "message": str(error)}}, indent=2))
    typer.echo(f"error: {error.reason}: {error}", err=True)
    if termination_log is not None:
        words = f"{error.reason}: {error}".encode()[:MESSAGE_BYTES]
        termination_log.write_bytes(words)
