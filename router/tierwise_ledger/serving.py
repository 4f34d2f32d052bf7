"""The ledger's process: open the database, answer, end in order."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import orjson
import structlog
import uvicorn

from tierwise_core.errors import TierwiseError
from tierwise_ledger.opening import mark_suspect, open_store
from tierwise_ledger.service.app import build
from tierwise_ledger.settings import Settings

__all__ = ["main", "serve"]

log = structlog.get_logger(__name__)

DAMAGED = 3
DRAIN_S = 10


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self.damaged = False

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            self._on_ready()


def serve(settings: Settings, on_ready: Callable[[], None] = lambda: None) -> int:
    """Serve until a signal says stop; returns the exit code.

    A database that turns out to be damaged ends the process: the next start sets it aside. Raises
    StoreError where the database cannot be opened.
    """
    store = open_store(settings.database)

    def stop() -> None:
        mark_suspect(settings.database)
        server.damaged = server.should_exit = True

    config = uvicorn.Config(
        build(store, settings, on_corrupt=stop), host=settings.host, port=settings.port,
        log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_S,
    )  # fmt: skip
    server = _Server(config, on_ready)
    try:
        log.info("ledger running", port=settings.port, database=store.engine.dialect.name)
        server.run()
    except SystemExit:  # it has logged why: the port is taken
        return 1
    finally:
        store.close()
    return DAMAGED if server.damaged else 0


def main() -> int:
    """Run the ledger with the environment's settings, as its pod does."""
    try:
        settings = Settings.from_env()
        configure_logs(settings.log_level)
        return serve(settings)
    except (TierwiseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def configure_logs(level: str) -> None:
    """Write logs as lines of JSON."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    logging.basicConfig(level=max(number, logging.WARNING), format="%(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
    )


def _json(value: object, **_options: object) -> bytes:
    return orjson.dumps(value, default=str)
