"""The database: SQLite in one file or PostgreSQL, behind the same few calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from tierwise_ledger.errors import CorruptError, SettingsError, StoreError
from tierwise_ledger.migrating import migrate

__all__ = ["Store"]

BUSY_S = 30.0
READ_ONLY = "tierwise_read_only"
CORRUPT_WORDS = ("malformed", "not a database", "disk image")


class Store:
    """Where outcomes are kept; safe to use from many threads.

    >>> import tempfile
    >>> from sqlalchemy import text
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store.open(f"sqlite:///{folder}/ledger.db")
    ...     with store.read() as connection:
    ...         connection.execute(text("SELECT count(*) FROM outcomes")).scalar_one()
    ...     store.close()
    0
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._one_writer = threading.Lock() if self.is_sqlite else None

    @classmethod
    def open(cls, url: str, *, bring_up: bool = True) -> Self:
        """Connect, and bring the tables to this version (``bring_up``), under a lock.

        Raises SettingsError for an address that is none of a database, CorruptError for a damaged
        file and StoreError for a database that cannot be reached.
        """
        store = cls(_engine(_parsed(url)))
        if bring_up:
            try:
                with _told():
                    migrate(store.engine)
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def look_at(cls, url: str) -> Self:
        """Connect in order to read what is there: no file is made, and no byte of it changes.

        Raises SettingsError for an address that is none of a database, and StoreError where there
        is no file.
        """
        parsed = _parsed(url)
        return cls(_reader(parsed) if parsed.get_backend_name() == "sqlite" else _engine(parsed))

    @property
    def is_sqlite(self) -> bool:
        """Tell whether it is one file, which has one writer at a time."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction that writes: kept as a whole, or not at all when anything raises."""
        with self._one_writer or nullcontext(), _told(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads: it sees one moment, and waits for no writer."""
        # SQLite has no other; PostgreSQL would let each statement see what was written meanwhile.
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with _told(), self.engine.connect() as plain:
            yield plain.execution_options(**{READ_ONLY: True}, **level)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingsError(
            f"the database is {url.partition('@')[0][:60]!r}; give sqlite:////PATH/ledger.db or "
            "postgresql://USER:PASSWORD@HOST/NAME (TIERWISE_LEDGER_DATABASE)"
        )
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(
            url, json_serializer=_json, json_deserializer=orjson.loads, pool_pre_ping=True,
            connect_args={"connect_timeout": 10},
        )  # fmt: skip
    engine = create_engine(
        url, json_serializer=_json, json_deserializer=orjson.loads,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
    )  # fmt: skip
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _reader(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.is_file():
        raise StoreError(f"there is no database file {url.database!r}")
    # Even to read SQLite puts a file of its own beside one that is written to. Where that is not
    # there nobody writes, and a copy on a read-only disk can be read as well.
    live = path.with_name(f"{path.name}-wal").exists()
    asked = {"uri": "true", "mode": "ro"} if live else {"uri": "true", "immutable": "1"}
    engine = create_engine(
        url.set(database=path.absolute().as_uri(), query=asked), json_serializer=_json,
        json_deserializer=orjson.loads, connect_args={"timeout": BUSY_S},
    )  # fmt: skip
    event.listen(engine, "connect", _by_hand)
    event.listen(engine, "begin", _begin)
    return engine


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _by_hand(connection: Any, _record: object) -> None:
    # The driver's own transactions begin too late to be locks; we begin them ourselves.
    connection.isolation_level = None


def _prepare(connection: Any, _record: object) -> None:
    _by_hand(connection, _record)
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "cache_size=-65536",
        "mmap_size=1073741824",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # Two that first read and then write would wait for each other; a writer says so at once.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _told() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig)
        if any(word in said for word in CORRUPT_WORDS):
            raise CorruptError(f"the database is damaged: {said}") from error
        raise StoreError(f"the database does not do it: {said}") from error
