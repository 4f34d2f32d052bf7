"""Prompts and answers: taken sealed, opened for who may read them, sealed anew with a new key."""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, bindparam, select, update

from tierwise_ledger.errors import SealError
from tierwise_ledger.sealing import Keyring, Sealed
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.contents import CONTENTS

__all__ = ["CONTENT_KIND", "EVERY_S", "content_row", "read", "renew_seals"]

CONTENT_KIND: Final = "content"
EVERY_S: Final = 300.0
AT_ONCE: Final = 200
DAY_S: Final = 86400.0


def content_row(row: Mapping[str, Any], at: float) -> dict[str, Any]:
    """Give the row of ``contents``; raises ValueError or KeyError for what is none."""
    days = float(row.get("days") or 0)
    return {
        "id": row["id"],
        "tenant": row.get("tenant") or "",
        "at": at,
        "expires_at": at + days * DAY_S if days else None,
        "key_id": row["key"],
        "nonce": b64decode(row["nonce"], validate=True),
        "sealed": b64decode(row["sealed"], validate=True),
    }


def read(
    connection: Connection, settings: Settings, ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Open the contents of decisions, by their names; those that were not kept are left out.

    Each has ``request`` (the body that was sent), ``messages`` of it, ``answers`` (texts by the
    number of the step that gave them) and ``response`` (what the client got). Raises SealError
    where no key opens them.
    """
    query = select(CONTENTS).where(CONTENTS.c.id.in_(ids))
    rows = connection.execute(query).mappings().all()
    if not rows:
        return {}
    if not settings.keys_dir:
        raise SealError("contents are sealed, and TIERWISE_LEDGER_KEYS_DIR names no keys")
    ring = Keyring.read(settings.keys_dir)
    return {row["id"]: _opened(ring, dict(row)) for row in rows}


def _opened(ring: Keyring, row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(zlib.decompress(ring.open(_sealed(row), row["id"])))
    request = found.get("request") or {}
    return {**found, "messages": request.get("messages") or [], "at": row["at"]}


def _sealed(row: Mapping[str, Any]) -> Sealed:
    return Sealed(row["key_id"], bytes(row["nonce"]), bytes(row["sealed"]))


def renew_seals(store: Store, settings: Settings, _now: float) -> None:
    """Seal with the current key what an older one sealed, so that the older can be taken away."""
    if not settings.keys_dir:
        return
    with store.read() as connection:
        if connection.execute(select(CONTENTS.c.id).limit(1)).first() is None:
            return  # nobody needs a key yet
    ring = Keyring.read(settings.keys_dir)
    while _renew_some(store, ring):
        pass


def _renew_some(store: Store, ring: Keyring) -> int:
    older = [name for name in ring.keys if name != ring.current]
    if not older:
        return 0
    with store.begin() as connection:
        query = select(CONTENTS).where(CONTENTS.c.key_id.in_(older)).limit(AT_ONCE)
        rows = connection.execute(query).mappings().all()
        renewed = []
        for row in rows:
            sealed = ring.seal(ring.open(_sealed(dict(row)), row["id"]), row["id"])
            renewed.append(
                {
                    "of": row["id"],
                    "key_id": sealed.key,
                    "nonce": sealed.nonce,
                    "sealed": sealed.data,
                }
            )
        if renewed:
            connection.execute(update(CONTENTS).where(CONTENTS.c.id == bindparam("of")), renewed)
    return len(rows)
