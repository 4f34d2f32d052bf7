"""What a manifest asks of the API server, given the live object: nothing, if that carries it."""

import json
from collections.abc import Mapping
from typing import Any

from tierwise_core.children import MANIFEST, Child
from tierwise_core.drift import drift
from tierwise_core.plan import Apply, ChildKind, Delete

__all__ = ["applied", "changed", "removal", "wanted_parts"]


def applied(rendered: Mapping[str, Any], live: Child | None) -> Apply | None:
    """Return the apply that a manifest needs, or None when the live object already carries it."""
    reason = "does not exist" if live is None else changed(rendered, live)
    if reason is None or (live is not None and live.deleting):
        return None
    kind: ChildKind = rendered["kind"]
    metadata = rendered["metadata"]
    return Apply(kind, metadata["namespace"], metadata["name"], rendered, live is not None, reason)


def changed(rendered: Mapping[str, Any], live: Child) -> str | None:
    """Return what differs between a manifest and the live object, in words, or None.

    The digest tells fields that we no longer set; the comparison tells what others changed.
    """
    if live.manifest_digest != rendered["metadata"]["annotations"][MANIFEST]:
        return "the manifest changed"
    return drift(wanted_parts(rendered), json.loads(live.live))


def wanted_parts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an object that we set and therefore watch over."""
    metadata = manifest["metadata"]
    return {
        "labels": metadata.get("labels"),
        "ownerReferences": metadata.get("ownerReferences"),
        "spec": manifest.get("spec"),
    }


def removal(child: Child, why: str) -> Delete:
    """Return the deletion of a child."""
    return Delete(child.kind, child.namespace, child.name, child.uid, why)
