"""An API server in memory: keeps objects, notes every write, fails when told to.

For asserting the exact writes of the operator. What a real API server makes of them is the
business of the tests on a real one.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tierwise_operator.cluster import FIELD_MANAGER, ClusterError
from tierwise_operator.kinds import BY_NAME, EVENT, LEASE, Kind
from tierwise_operator.store import key_of

Json = Mapping[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Write:
    """One write: verb, kind with subresource, key, and what was sent."""

    verb: str
    kind: str
    key: str
    body: Json = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.key}"


class FakeCluster:
    """Implements `tierwise_operator.cluster.Cluster`."""

    def __init__(self) -> None:
        self.objects_by_key: dict[Key, dict[str, Any]] = {}
        self.log: list[Write] = []
        self.reads: list[str] = []
        self.faults: list[Callable[[Write], ClusterError | None]] = []
        self.told: Callable[[Kind, Json | None, str], None] = lambda *_: None
        self.missing: set[str] = set()
        self.logs_of: dict[str, str] = {}
        self.applied: dict[Key, dict[str, Json]] = {}
        self._version = 100

    @property
    def writes(self) -> list[str]:
        """The writes in order, Events and Leases aside."""
        return [str(w) for w in self.log if w.kind not in {"Event", "Lease"}]

    @property
    def events(self) -> list[str]:
        return [f"{w.body['type']} {w.body['reason']}" for w in self.log if w.kind == "Event"]

    def body_of(self, verb_kind_key: str) -> Json:
        return next(w.body for w in reversed(self.log) if str(w) == verb_kind_key)

    def forget_writes(self) -> None:
        self.log.clear()

    def put(self, body: Json) -> dict[str, Any]:
        """What somebody else writes: no write of ours, and everybody is told."""
        kind = BY_NAME[body["kind"]]
        stored = self._store(kind, body)
        if selected(kind, stored):
            self.told(kind, stored, "")
        else:
            self.told(kind, None, key_of(stored["metadata"]))
        return stored

    def remove(self, kind: Kind, key: str) -> None:
        del self.objects_by_key[kind.name, key]
        self.told(kind, None, key)

    def find(self, kind: str, key: str) -> dict[str, Any]:
        return self.objects_by_key[kind, key]

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        key = f"{namespace}/{name}" if namespace else name
        self.reads.append(f"get {kind.name} {key}")
        return copy.deepcopy(self.objects_by_key.get((kind.name, key)))

    async def objects(
        self, kind: Kind, namespace: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        self.reads.append(f"list {kind.name}")
        if kind.name in self.missing:
            raise ClusterError(f"the server does not serve {kind.plural}", 404)
        for (name, _), body in list(self.objects_by_key.items()):
            inside = not namespace or body["metadata"].get("namespace") == namespace
            if name == kind.name and inside and selected(kind, body):
                whole = copy.deepcopy(body)
                yield {"metadata": whole["metadata"]} if metadata_only else whole

    async def apply(
        self, kind: Kind, body: Json, subresource: str = "", manager: str = FIELD_MANAGER
    ) -> Json:
        title = f"{kind.name}/{subresource}" if subresource else kind.name
        key = key_of(body["metadata"])
        self._note(Write("apply", title, key, body))
        if not subresource:
            return copy.deepcopy(self._store(kind, body))
        if (kind.name, key) not in self.objects_by_key:
            raise ClusterError(f"{kind.name} {key} not found", 404)
        stored = self.objects_by_key[kind.name, key]
        if subresource == "scale":
            stored["spec"]["replicas"] = body["spec"]["replicas"]
            stored["metadata"]["resourceVersion"] = self._next_version()
            return copy.deepcopy(body)
        shares = self.applied.setdefault((kind.name, key), {})
        shares[manager] = copy.deepcopy(body["status"])
        stored["status"] = _together(shares.values())
        stored["metadata"]["resourceVersion"] = self._next_version()
        return copy.deepcopy(stored)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        key = f"{namespace}/{name}"
        self._note(Write("delete", kind.name, key, {"uid": uid}))
        if (kind.name, key) in self.objects_by_key:
            self.remove(kind, key)

    async def create(self, kind: Kind, body: Json) -> Json:
        key = key_of(body["metadata"])
        self._note(Write("create", kind.name, key, body))
        if (kind.name, key) in self.objects_by_key:
            raise ClusterError(f"{kind.name} {key} exists", 409)
        return copy.deepcopy(self._store(kind, body)) if kind is not EVENT else body

    async def replace(self, kind: Kind, body: Json) -> Json:
        key = key_of(body["metadata"])
        self._note(Write("replace", kind.name, key, body))
        stored = self.objects_by_key[kind.name, key]
        if body["metadata"].get("resourceVersion") != stored["metadata"]["resourceVersion"]:
            raise ClusterError(f"{kind.name} {key} has been modified", 409)
        return copy.deepcopy(self._store(kind, body))

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        self.reads.append(f"logs {namespace}/{pod} {container}")
        return self.logs_of.get(f"{namespace}/{pod}", "")

    def _note(self, write: Write) -> None:
        for fault in self.faults:
            if (error := fault(write)) is not None:
                raise error
        self.log.append(write)

    def _store(self, kind: Kind, body: Json) -> dict[str, Any]:
        key = (kind.name, key_of(body["metadata"]))
        before = self.objects_by_key.get(key, {})
        known = before.get("metadata", {})
        stored = copy.deepcopy({**before, **body})
        changed = before.get("spec") != stored.get("spec")
        stored["metadata"] = {
            **copy.deepcopy(known),
            **copy.deepcopy(dict(body["metadata"])),
            "uid": known.get("uid") or body["metadata"].get("uid") or f"uid-{key[1]}",
            "generation": known.get("generation", 0) + (1 if changed else 0),
            "resourceVersion": self._next_version(),
        }
        self.objects_by_key[key] = stored
        return stored

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)


def _together(shares: Iterable[Json]) -> dict[str, Any]:
    """What several managers have applied to one status; conditions are told apart by their type."""
    whole: dict[str, Any] = {}
    for share in shares:
        conditions = [*whole.get("conditions", ()), *share.get("conditions", ())]
        whole |= copy.deepcopy(dict(share))
        if conditions:
            whole["conditions"] = conditions
    return whole


def selected(kind: Kind, body: Json) -> bool:
    """Whether a list or watch by the kind's label selector shows the object."""
    if not kind.label_selector:
        return True
    name, _, value = kind.label_selector.partition("=")
    return (body["metadata"].get("labels") or {}).get(name) == value


def refuse(text: str, status: int, message: str = "refused") -> Callable[[Write], Any]:
    """A fault: writes whose words hold the text fail with that status."""

    def fault(write: Write) -> ClusterError | None:
        return ClusterError(message, status) if text in str(write) else None

    return fault


__all__ = ["LEASE", "FakeCluster", "Write", "refuse"]
