"""What somebody changed in the cluster, as rows of the audit: policies, keys, rollouts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

__all__ = ["AUDITED", "change_rows", "gone_rows", "names_of"]

AUDITED: Final = {
    "FieldProfile": "policies",
    "GPUTier": "policies",
    "RouterPolicy": "policies",
    "Rollout": "rollouts",
    "Specialist": "policies",
    "Tenant": "keys",
}
"""The stream of each kind's changes."""

REVISION: Final = "tierwise.dev/revision"
ENDS: Final = {"RolledBack": "rolled-back", "Promoted": "promoted", "Aborted": "aborted"}

Object = Mapping[str, Any]


def change_rows(kind: str, objects: Sequence[Object], now: float) -> Iterator[dict[str, Any]]:
    """Give a row for the present state of each object; the same state has the same id.

    So everything may be told again and again: what is known is passed over. A Tenant's keys are
    digests already; of its spec only a digest is told all the same.

    >>> tier = {"metadata": {"name": "h100", "uid": "u-1", "generation": 2}, "spec": {"a": 1}}
    >>> (row,) = change_rows("GPUTier", [tier], 5.0)
    >>> row["id"], row["action"], row["subject"]
    ('GPUTier/u-1/2', 'changed', 'GPUTier/h100')
    """
    for item in objects:
        meta = item.get("metadata") or {}
        generation = int(meta.get("generation") or 1)
        yield _row(
            kind,
            item,
            now,
            str(generation),
            "created" if generation == 1 else "changed",
            generation=generation,
            digest=_digest(item.get("spec")),
            **({} if kind == "Tenant" else {"spec": item.get("spec")}),
        )
        if kind == "Rollout":
            yield from _progress(item, now)


def _progress(item: Object, now: float) -> Iterator[dict[str, Any]]:
    """Give a row for who is on which side, one for each change of the shares, one for the verdict.

    The status keeps every change with its time, so none is missed between two looks.
    """
    meta, status = item["metadata"], item.get("status") or {}
    ref = (item.get("spec") or {}).get("specialistRef") or {}
    whose = {"specialist": f"{meta.get('namespace', '')}/{ref.get('name', '')}"}
    sides = {name: _on(status, name) for name in ("blue", "green")}
    if all(sides.values()):
        yield _row("Rollout", item, now, f"sides/{_digest(sides)}", "lined-up", **whose, **sides)
    for step in status.get("trajectory") or _present(status):
        stage, percent = step.get("stage"), step.get("greenPercent")
        at = _seconds(step.get("time"), now)
        named = "/".join(str(part) for part in (step.get("time"), stage, percent) if part != "")
        told = {"stage": stage, "green_percent": percent, "reason": step.get("reason", "")}
        yield _row("Rollout", item, at, named, "shifted", **whose, **told)
    verdict = status.get("verdict") or {}
    if verdict.get("outcome"):
        outcome = str(verdict["outcome"])
        told = {
            "revisions": _revisions(item, str(ref.get("name", ""))),
            "reason": f"{verdict.get('reason', '')}: {verdict.get('message', '')}",
        }
        at = _seconds(verdict.get("time"), now)
        yield _row("Rollout", item, at, outcome, ENDS.get(outcome, "ended"), **whose, **told)


def _present(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not status.get("stage"):
        return []
    green = (status.get("weights") or {}).get("green")
    return [{"time": "", "stage": status["stage"], "greenPercent": green}]


def _revisions(item: Object, specialist: str) -> list[str]:
    """Name the revisions that were on trial: as the status has them, else by a label or a name."""
    if found := _on(item.get("status") or {}, "green"):
        return found
    meta = item["metadata"]
    own = (meta.get("labels") or {}).get(REVISION)
    return [str(own or str(meta["name"]).removeprefix(f"{specialist}-"))]


def _on(status: Mapping[str, Any], side: str) -> list[str]:
    """Name the revisions of one side, as far as the status knows them."""
    found = ((status.get("sides") or {}).get(side) or {}).get("revisions")
    return [str(one) for one in found or ()]


def _seconds(time: object, now: float) -> float:
    """Read a time of the API, such as 2026-11-22T12:00:00Z; what is none is now."""
    try:
        read = datetime.fromisoformat(str(time))
    except ValueError:
        return now
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def names_of(kind: str, objects: Sequence[Object]) -> dict[str, str]:
    """Name objects by their uid, to notice later that one is gone.

    >>> names_of("Tenant", [{"metadata": {"uid": "u", "namespace": "demo", "name": "a"}}])
    {'u': 'Tenant/demo/a'}
    """
    return {item["metadata"]["uid"]: _subject(kind, item) for item in objects}


def gone_rows(
    known: Mapping[str, str], present: Mapping[str, str], now: float
) -> Iterator[dict[str, Any]]:
    """Give a row for each object that was there and is not any more.

    >>> [row["action"] for row in gone_rows({"u": "Tenant/demo/a"}, {}, 5.0)]
    ['deleted']
    """
    for uid, subject in sorted(known.items()):
        kind = subject.partition("/")[0]
        if uid not in present and kind in AUDITED:
            yield {
                "kind": "audit",
                "id": f"{kind}/{uid}/deleted",
                "at": now,
                "stream": AUDITED[kind],
                "action": "deleted",
                "subject": subject,
            }


def _row(
    kind: str, item: Object, now: float, state: str, action: str, **more: Any
) -> dict[str, Any]:
    return {
        "kind": "audit",
        "id": f"{kind}/{item['metadata']['uid']}/{state}",
        "at": now,
        "stream": AUDITED[kind],
        "action": action,
        "subject": _subject(kind, item),
        **more,
    }


def _subject(kind: str, item: Object) -> str:
    meta = item["metadata"]
    return "/".join([kind, *filter(None, (meta.get("namespace"), meta["name"]))])


def _digest(spec: object) -> str:
    return sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
