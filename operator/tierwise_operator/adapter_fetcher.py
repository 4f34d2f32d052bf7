"""What runs beside an engine and fetches adapters into the pod when the operator tells it to.

::

    PUT    /adapters/NAME {"source": "hf://acme/lora"}   fetch it, and answer when it is there
    DELETE /adapters/NAME                                let its files go
    GET    /healthz

``NAME`` becomes a link in the directory that the engine reads, to the adapter's own files.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from tierwise_core.errors import SourceNotFoundError, TierwiseError
from tierwise_core.model_source import ModelSource
from tierwise_operator.adapter_sources import ADAPTER_CONFIG
from tierwise_operator.sources.origin import Origin
from tierwise_operator.weights.fetch import Wish, fetch
from tierwise_operator.weights.progress import Progress

__all__ = ["AdapterShelf", "application", "serve"]

NAME: Final = re.compile("[0-9a-f]{8,64}")
FILES: Final = ".files"

log = structlog.get_logger("tierwise.adapters")


@dataclass(slots=True)
class AdapterShelf:
    """The fetched adapters of one pod, below a directory; one fetch of a name at a time."""

    directory: Path
    origin: Callable[[ModelSource], Origin]
    clock: Callable[[], float]
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _running: dict[tuple[str, str], asyncio.Task[str]] = field(default_factory=dict)

    async def fetched(self, name: str, source: str) -> str:
        """Bring an adapter here; return the revision that the source has.

        Whoever asked may go: the fetch goes on, and who asks next waits for the same one.

        Raises:
            TierwiseError: it cannot be had, or is no adapter.
        """
        running = self._running.get((name, source))
        if running is None:
            running = asyncio.create_task(self._fetch(name, source), name=f"fetch {source}")
            self._running[name, source] = running
            running.add_done_callback(lambda _: self._running.pop((name, source), None))
        return await asyncio.shield(running)

    async def _fetch(self, name: str, source: str) -> str:
        async with self._locks.setdefault(name, asyncio.Lock()):
            wish = Wish(source, None, self.directory / FILES / name)
            progress = Progress(
                lambda line: log.info("fetching", source=source, told=line), self.clock
            )
            found = await fetch(wish, self.origin, progress)
            if not (found.path / ADAPTER_CONFIG).is_file():
                raise SourceNotFoundError(f"{source} has no {ADAPTER_CONFIG}; it is no adapter")
            self._link(name, found.path)
            return found.revision

    async def drop(self, name: str) -> None:
        """Let the files of an adapter go."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            (self.directory / name).unlink(missing_ok=True)
            await asyncio.to_thread(
                shutil.rmtree, self.directory / FILES / name, ignore_errors=True
            )

    def _link(self, name: str, files: Path) -> None:
        """Point the name at the files, at once or not at all."""
        fresh = self.directory / FILES / f"{name}.link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(files)
        fresh.replace(self.directory / name)


def application(shelf: AdapterShelf) -> web.Application:
    """Return the HTTP application."""

    async def put(request: web.Request) -> web.Response:
        name, source = request.match_info["name"], await _source(request)
        if not NAME.fullmatch(name) or not source:
            return _error(HTTPStatus.BAD_REQUEST, 'give {"source": "hf://..."}')
        try:
            return web.json_response({"revision": await shelf.fetched(name, source)})
        except TierwiseError as error:
            log.warning("not fetched", source=source, error=str(error))
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    async def delete(request: web.Request) -> web.Response:
        if not NAME.fullmatch(request.match_info["name"]):
            return _error(HTTPStatus.BAD_REQUEST, "there is no such name")
        await shelf.drop(request.match_info["name"])
        return web.json_response({})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    made = web.Application()
    made.add_routes(
        [
            web.put("/adapters/{name}", put),
            web.delete("/adapters/{name}", delete),
            web.get("/healthz", healthz),
        ]
    )
    return made


async def _source(request: web.Request) -> str:
    try:
        body = await request.json()
    except ValueError:
        return ""
    source = body.get("source") if isinstance(body, dict) else None
    return source if isinstance(source, str) else ""


def _error(status: HTTPStatus, message: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status)


async def serve(made: web.Application, port: int) -> None:
    """Listen until SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(made, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()  # on every address, of either family
    log.info("ready to fetch adapters", port=port)
    await stop.wait()
    await runner.cleanup()
