"""Opening the database when the ledger starts; a damaged file is set aside, and told of."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from tierwise_ledger.errors import CorruptError
from tierwise_ledger.store import Store

__all__ = ["mark_suspect", "open_store", "set_aside"]

log = structlog.get_logger(__name__)

PARTS = ("", "-wal", "-shm")
SUSPECT = ".suspect"
SMALL_BYTES = 256 * 1024 * 1024


def open_store(url: str, clock: Callable[[], float] = time.time) -> Store:
    """Open the database; where its file is damaged it is set aside and a new one begun.

    Routers notice that the ledger is another one, and send again all that they still have. The
    damaged file stays beside the new one: `sqlite3 FILE .recover` reads what is left of it.
    """
    path = _file_of(url)
    try:
        store = Store.open(url)
        try:
            _check(store, path)
        except BaseException:
            store.close()
            raise
    except CorruptError as error:
        if path is None:
            raise
        kept = set_aside(path, clock())
        log.error(  # noqa: TRY400 - the message says it all
            "the database was damaged and is set aside; a new one begins, and routers send again "
            "what they still have",
            error=str(error),
            kept=str(kept),
            recover=f"sqlite3 {kept} .recover",
        )
        return Store.open(url)
    return store


def mark_suspect(url: str) -> None:
    """Have the file checked as a whole at the next start: reading it found damage."""
    path = _file_of(url)
    if path is not None:
        path.with_name(path.name + SUSPECT).touch()


def set_aside(path: Path, now: float) -> Path:
    """Rename the file and what belongs to it; gives the new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    kept = path.with_name(f"{path.name}.damaged-{stamp}")
    for part in PARTS:
        found = path.with_name(path.name + part)
        if found.exists():
            found.rename(kept.with_name(kept.name + part))
    path.with_name(path.name + SUSPECT).unlink(missing_ok=True)
    return kept


def _file_of(url: str) -> Path | None:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return None if parsed.database == ":memory:" else Path(parsed.database)


def _check(store: Store, path: Path | None) -> None:
    """Look through a small file each time, and through a large one when there is reason to.

    Raises CorruptError.
    """
    if path is None:
        return
    suspect = path.with_name(path.name + SUSPECT)
    if suspect.exists() or path.stat().st_size < SMALL_BYTES:
        _look_through(store.engine)
        suspect.unlink(missing_ok=True)


def _look_through(engine: Engine) -> None:
    with Store(engine).read() as connection:
        said = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
    if said != "ok":
        raise CorruptError(f"the database is damaged: {said}")
