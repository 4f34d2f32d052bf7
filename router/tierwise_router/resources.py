"""Resources as they were written or stored, read into models; what is broken is named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from tierwise_api import (
    API_VERSION,
    FieldProfile,
    GPUTier,
    Resource,
    Rollout,
    RouterPolicy,
    Specialist,
    Tenant,
)
from tierwise_router.problem import Problem

__all__ = ["Parsed", "Reading", "full_key", "read_resources"]

DEFAULT_NAMESPACE: Final = "default"
VALUE_SHOWN: Final = 80
Readable = GPUTier | Specialist | RouterPolicy | Tenant | FieldProfile | Rollout
NAMESPACED: Final = frozenset({"Specialist", "Tenant", "Rollout"})
READ_KINDS: Final[Mapping[str, type[Readable]]] = {
    "GPUTier": GPUTier,
    "Specialist": Specialist,
    "RouterPolicy": RouterPolicy,
    "Tenant": Tenant,
    "FieldProfile": FieldProfile,
    "Rollout": Rollout,
}


@dataclass(slots=True)
class Reading:
    """The usable resources found so far, by name, and what was wrong with the others."""

    tiers: dict[str, GPUTier] = field(default_factory=dict)
    specialists: dict[str, Specialist] = field(default_factory=dict)
    policies: dict[str, RouterPolicy] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    profiles: dict[str, FieldProfile] = field(default_factory=dict)
    rollouts: dict[str, Rollout] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def of_kind(self, kind: type[Readable]) -> dict[str, Any]:
        """Give the table of one kind, by name."""
        kept: dict[type[Readable], dict[str, Any]] = {
            GPUTier: self.tiers,
            Specialist: self.specialists,
            RouterPolicy: self.policies,
            Tenant: self.tenants,
            FieldProfile: self.profiles,
            Rollout: self.rollouts,
        }
        return kept[kind]


class Parsed:
    """The models of objects that were read before, by the very objects: most are as they were.

    Parsing is most of what a table costs. Who uses it must put a changed object in the place of
    the old one, as a watch does, and never write into one.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[Mapping[str, Any], Readable]] = {}
        self._now: dict[int, tuple[Mapping[str, Any], Readable]] = {}

    def begin(self) -> None:
        """Begin another reading: what the last one did not have is forgotten."""
        self._before, self._now = self._now, {}

    def parse(self, kind: type[Readable], item: Mapping[str, Any]) -> Readable:
        """Give the model of an object; raises ValidationError."""
        found = self._before.get(id(item))
        resource = found[1] if found is not None and found[0] is item else _parse(kind, item)
        self._now[id(item)] = item, resource
        return resource


def read_resources(objects: Iterable[Mapping[str, Any]], parsed: Parsed | None = None) -> Reading:
    """Read what the router knows of; raises nothing: what is broken is among the problems.

    Other kinds are passed over: a file may hold a Namespace beside the Specialists. A resource
    that was read from a cluster (it has a uid) may have fields of a newer version; in one that a
    person wrote an unknown field is a typing error. What is being deleted is left out, but for a
    Rollout: its shares hold until it is gone. ``parsed`` keeps models from one reading to the next.

    >>> read_resources([{"kind": "Specialist", "apiVersion": "tierwise.dev/v0"}]).problems[0].remedy
    'write tierwise.dev/v1alpha1'
    """
    reading, parsed = Reading(), parsed or Parsed()
    parsed.begin()
    for item in _flattened(objects):
        _read(item, reading, parsed)
    return reading


def _flattened(objects: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Unfold what ``kubectl get -o yaml`` prints: a List with the objects as its items."""
    for item in objects:
        if not isinstance(item, Mapping):
            yield {"kind": "", "metadata": {"name": repr(item)[:VALUE_SHOWN]}}
        elif str(item.get("kind", "")).endswith("List") and isinstance(item.get("items"), list):
            yield from _flattened(item["items"])
        else:
            yield item


def _read(item: Mapping[str, Any], reading: Reading, parsed: Parsed) -> None:
    kind = READ_KINDS.get(str(item.get("kind")))
    if kind is None or item.get("apiVersion") != API_VERSION:
        reading.problems.extend(_unread(item))
        return
    try:
        resource = parsed.parse(kind, item)
    except ValidationError as error:
        reading.problems.extend(_invalid(_title(item), error))
        return
    if resource.metadata.deletion_timestamp is None or kind is Rollout:
        _keep(resource, _title(item), reading)


def _parse(kind: type[Readable], item: Mapping[str, Any]) -> Readable:
    metadata = item.get("metadata")
    stored = isinstance(metadata, Mapping) and "uid" in metadata
    return kind.from_cluster(item) if stored else kind.model_validate(dict(item))


def _keep(resource: Readable, title: str, reading: Reading) -> None:
    kept: dict[str, Any] = reading.of_kind(type(resource))
    name = resource.metadata.name
    key = full_key(resource, name) if resource.names.namespaced else name
    repeated = key in kept
    kept[key] = resource
    if repeated:
        name = repr(resource.metadata.name)
        reading.problems.append(
            Problem(title, "metadata.name", f"{name} twice", "the last one counts; remove one")
        )


def _unread(item: Mapping[str, Any]) -> Iterator[Problem]:
    """Complain about what was meant for us and is not; other groups' objects are none of ours."""
    version, kind = str(item.get("apiVersion", "")), item.get("kind")
    if version.startswith("tierwise.dev/") and version != API_VERSION:
        yield Problem(_title(item), "apiVersion", repr(version), f"write {API_VERSION}")
    elif not kind or not version:
        name = "kind" if not kind else "apiVersion"
        right = f"write apiVersion: {API_VERSION} and one of the kinds {', '.join(READ_KINDS)}"
        yield Problem(_title(item), name, "missing", right)


def _invalid(title: str, error: ValidationError) -> Iterator[Problem]:
    for issue in error.errors(include_url=False):
        path = ".".join(str(part) for part in issue["loc"]) or "object"
        missing = issue["type"] == "missing"
        shown = "missing" if missing else repr(issue["input"])[:VALUE_SHOWN]
        yield Problem(title, path, shown, issue["msg"])


def _title(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("name") or "without a name"
    if item.get("kind") in NAMESPACED:
        name = f"{metadata.get('namespace') or DEFAULT_NAMESPACE}/{name}"
    return f"{item.get('kind') or 'object'} {name}"


def full_key(owner: Resource, name: str) -> str:
    """Give the full name of what an object names in its own namespace."""
    return f"{owner.metadata.namespace or DEFAULT_NAMESPACE}/{name}"
