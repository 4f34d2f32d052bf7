"""Changes in the cluster come to the audit: policies, keys, rollouts; a look every half minute.

Two changes of one object between two looks are one record; its generation tells that there were
two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import Connection, select

from tierwise_core.cluster_changes import AUDITED, change_rows, gone_rows, names_of
from tierwise_ledger.ingest import ingest
from tierwise_ledger.money.cluster import Cluster, ClusterError
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.contents import LEDGER
from tierwise_ledger.upsert import replace_rows

__all__ = ["EVERY_S", "record_changes", "watch"]

log = structlog.get_logger(__name__)

EVERY_S: Final = 30.0
KNOWN: Final = "audited-objects"
PATH: Final = "/apis/tierwise.dev/v1alpha1/{plural}"
PLURALS: Final = {
    kind: "routerpolicies" if kind == "RouterPolicy" else f"{kind.lower()}s" for kind in AUDITED
}

ListKind = Callable[[str], Iterable[Mapping[str, Any]]]
"""Gives the objects at a path of the API server."""


def watch(store: Store, _settings: Settings, now: float) -> None:
    """Look at the cluster around us, if there is one; a job of the ledger."""
    cluster = Cluster.around()
    if cluster is not None:
        record_changes(store, cluster.listed, now)


def record_changes(store: Store, listed: ListKind, now: float) -> int:
    """Chain what has changed since the last look; tells how much that was."""
    rows: list[dict[str, Any]] = []
    present: dict[str, str] = {}
    unseen: set[str] = set()
    for kind, plural in PLURALS.items():
        try:
            objects = list(listed(PATH.format(plural=plural)))
        except ClusterError as error:
            log.warning("objects cannot be listed; they are looked at again", kind=kind,
                        error=str(error))  # fmt: skip
            unseen.add(kind)
            continue
        present |= names_of(kind, objects)
        rows += change_rows(kind, objects, now)
    with store.begin() as connection:
        known = _known(connection)
        # Of what could not be listed nothing is gone.
        present |= {
            uid: subject for uid, subject in known.items() if subject.partition("/")[0] in unseen
        }
        rows += gone_rows(known, present, now)
        taken = ingest(connection, rows, received_at=now)
        if known != present:
            said = orjson.dumps(present, option=orjson.OPT_SORT_KEYS).decode()
            replace_rows(connection, LEDGER, [{"name": KNOWN, "value": said}])
    return taken.new


def _known(connection: Connection) -> dict[str, str]:
    query = select(LEDGER.c.value).where(LEDGER.c.name == KNOWN)
    said = connection.execute(query).scalar_one_or_none()
    return dict(orjson.loads(said)) if said else {}
