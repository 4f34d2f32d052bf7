"""What the doctor saw of a cluster, before any judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Object", "Objects", "Probe", "Snapshot", "Unread", "Workload", "condition", "full_name"]

Object = Mapping[str, Any]
Objects = Sequence[Object]


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of the cluster that could not be read, and why."""

    why: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment and its pods; None where there is no such Deployment."""

    deployment: Object | Unread | None
    pods: Objects | Unread = ()


@dataclass(frozen=True, slots=True)
class Probe:
    """What a program of ours said to a question about itself."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything the checks look at, read once.

    Attributes:
        namespace: Where operator and router should be.
        version: The API server's version, such as v1.34.4.
        tierwise: Our own version.
        definitions: CustomResourceDefinitions of our group.
        lease: The operator's Lease; None where there is none.
        ready: What the router's /readyz said.
        ledger_ready: What the ledger's said.
        keys: The Secret that prompts and answers are sealed with; read only where it is needed.
        now: When all this was read, in UTC.
    """

    namespace: str
    context: str
    server: str
    version: str
    tierwise: str
    now: datetime
    definitions: Objects | Unread = ()
    nodes: Objects | Unread = ()
    tiers: Objects | Unread = ()
    specialists: Objects | Unread = ()
    policies: Objects | Unread = ()
    operator: Workload = field(default_factory=lambda: Workload(None))
    router: Workload = field(default_factory=lambda: Workload(None))
    ledger: Workload = field(default_factory=lambda: Workload(None))
    lease: Object | Unread | None = None
    ready: Probe | Unread = field(default_factory=lambda: Unread("not asked"))
    ledger_ready: Probe | Unread = field(default_factory=lambda: Unread("not asked"))
    keys: Object | Unread | None = field(default=None, repr=False)


def condition(thing: Object, kind: str) -> Object:
    """A condition of an object, or an empty one while it has none.

    >>> condition({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "Ready")
    {'type': 'Ready', 'status': 'True'}
    >>> condition({}, "Ready")
    {}
    """
    found = thing.get("status", {}).get("conditions", ())
    return next((c for c in found if c["type"] == kind), {})


def full_name(thing: Object) -> str:
    """``namespace/name``, or the name alone for what has no namespace."""
    meta = thing["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])
