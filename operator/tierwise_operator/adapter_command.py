"""``python -m tierwise_operator.weights adapters``: what runs beside engines with adapters."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from tierwise_operator import logs
from tierwise_operator.adapter_fetcher import AdapterShelf, application, serve
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.origins import DEFAULT_ENDPOINT, Access, origin_of

__all__ = ["adapters"]

REQUEST_SECONDS: Final = 30.0


def adapters(
    to: Annotated[Path, typer.Option(help="The directory to fetch into.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the operator asks.")] = 8001,
    hf_endpoint: Annotated[
        str, typer.Option(envvar="HF_ENDPOINT", help="The Hub or a mirror of it.")
    ] = DEFAULT_ENDPOINT,
    s3_endpoint: Annotated[
        str | None,
        typer.Option(envvar="TIERWISE_S3_ENDPOINT", help="A store that speaks S3."),
    ] = None,
    insecure_registry: Annotated[
        list[str] | None,
        typer.Option(help="A registry (host:port) to be spoken to without TLS; repeatable."),
    ] = None,
) -> None:
    """Fetch LoRA adapters into a pod when the operator asks for it, until SIGTERM.

    Credentials come from the environment, as those of `fetch` do.
    """
    logs.configure("info")
    asyncio.run(_serve(to, port, hf_endpoint, s3_endpoint, tuple(insecure_registry or ())))


async def _serve(
    to: Path, port: int, hf_endpoint: str, s3_endpoint: str | None, insecure: tuple[str, ...]
) -> None:
    (to / ".files").mkdir(parents=True, exist_ok=True)
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
        access = Access(
            client,
            hub_endpoint=hf_endpoint,
            s3_endpoint=s3_endpoint,
            insecure_registries=insecure,
            credentials=Credentials.from_environment(os.environ),
        )
        shelf = AdapterShelf(to, lambda where: origin_of(where, access), time.monotonic)
        await serve(application(shelf), port)
