"""The ledger's process: open the database, answer, end in order."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import structlog
import uvicorn

from tierwise_core.errors import TierwiseError
from tierwise_ledger.service.app import build
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

__all__ = ["main", "serve"]

log = structlog.get_logger(__name__)


def serve(settings: Settings) -> int:
    """Serve until a signal says stop; returns the exit code."""
    store = Store.open(settings.database)
    try:
        config = uvicorn.Config(
            build(store, settings), host=settings.host, port=settings.port,
            log_level=settings.log_level, access_log=False,
        )  # fmt: skip
        uvicorn.Server(config).run()
    finally:
        store.close()
    return 0


def main(_arguments: Sequence[str] | None = None) -> int:
    """Run the ledger with the environment's settings."""
    try:
        return serve(Settings.from_env())
    except (TierwiseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
