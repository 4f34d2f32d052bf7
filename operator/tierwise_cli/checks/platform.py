"""The ground: the cluster's version and our resources' definitions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from tierwise_api import GROUP, KINDS, VERSION, Resource
from tierwise_api.crd import custom_resource_definition
from tierwise_cli.checks.result import Check, Outcome
from tierwise_cli.checks.seen import Object, Snapshot, Unread

__all__ = ["MINIMUM_MINOR", "check_cluster", "check_definitions", "fingerprint"]

MINIMUM_MINOR = 30
_INSTALL_DEFINITIONS = "tierwise crds | kubectl apply --server-side --force-conflicts -f -"


def check_cluster(seen: Snapshot) -> Check:
    """The API server answers, and is new enough for our validation rules."""
    where = f"Kubernetes {seen.version} at {seen.server} (context {seen.context})"
    version = re.match(r"v1\.(\d+)", seen.version)
    if version and int(version[1]) >= MINIMUM_MINOR:
        return Check("cluster", Outcome.OK, where)
    return Check(
        *("cluster", Outcome.FAIL, where),
        fix=f"use a cluster of Kubernetes 1.{MINIMUM_MINOR} or later",
    )


def check_definitions(seen: Snapshot) -> Check:
    """Every kind is defined, with the very schema that this program was built with."""
    if isinstance(seen.definitions, Unread):
        return Check("crds", Outcome.WARN, seen.definitions.why, fix=seen.definitions.fix)
    present = {d["spec"]["names"]["kind"]: d for d in seen.definitions}
    missing = [kind.__name__ for kind in KINDS if kind.__name__ not in present]
    if missing:
        summary = f"the cluster does not know {', '.join(missing)}"
        return Check("crds", Outcome.FAIL, summary, fix=_INSTALL_DEFINITIONS)
    stale = [kind.__name__ for kind in KINDS if _differs(kind, present[kind.__name__])]
    if stale:
        summary = f"{', '.join(stale)}: the definition is not that of tierwise {seen.tierwise}"
        fix = f"{_INSTALL_DEFINITIONS}, or use the tierwise that this cluster was set up with"
        return Check("crds", Outcome.WARN, summary, fix=fix)
    known = ", ".join(sorted(kind.names.plural for kind in KINDS))
    return Check("crds", Outcome.OK, f"{known} in {GROUP}/{VERSION}, up to date")


def _differs(kind: type[Resource], definition: Object) -> bool:
    """Whether the cluster's schema is another one than the packaged one."""
    packaged = custom_resource_definition(kind)["spec"]["versions"][0]
    served = [v for v in definition["spec"]["versions"] if v["name"] == VERSION]
    return not served or fingerprint(served[0]) != fingerprint(packaged)


def fingerprint(version: Mapping[str, Any]) -> str:
    """A short hash of a CRD version's schema: equal for equal schemas.

    The order of keys does not count, nor whether a whole number is written 1 or 1.0: the API
    server writes both its own way.

    >>> fingerprint({"schema": {"a": 1.0, "b": 2}}) == fingerprint({"schema": {"b": 2, "a": 1}})
    True
    """
    plain = json.loads(json.dumps(version["schema"]), parse_float=_shortest)
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _shortest(number: str) -> float:
    """A number as it is written most shortly: whole ones without a fraction."""
    value = float(number)
    return int(value) if value.is_integer() else value
