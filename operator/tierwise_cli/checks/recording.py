"""What is recorded: the ledger, and whether prompts and answers are kept where they should be."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from tierwise_cli.checks.result import Check, Outcome
from tierwise_cli.checks.seen import Object, Objects, Snapshot, Unread, Workload
from tierwise_cli.checks.workloads import answering
from tierwise_core.content_keys import ContentKeysError, read_keys

__all__ = ["check_contents", "check_ledger", "keys_wanted"]

_POLICY = "default"
_SHOWN = 3


def check_ledger(seen: Snapshot) -> Check:
    """The ledger's pods are ready, and it answers through its Service, where there is one."""
    if seen.ledger.deployment is not None:
        return answering("ledger", seen.ledger, seen.ledger_ready, seen)
    elsewhere = _environment(seen.router).get("TIERWISE_LEDGER_URL")
    where = f"the routers' is {elsewhere}" if elsewhere else "router pods keep the newest decisions"
    return Check("ledger", Outcome.OK, f"none in namespace {seen.namespace}: {where}")


def check_contents(seen: Snapshot) -> Check:
    """The prompts and answers that the RouterPolicy wants kept can be sealed, and so are kept."""
    if isinstance(seen.policies, Unread):
        return Check("contents", Outcome.WARN, seen.policies.why, fix=seen.policies.fix)
    tenants = _wanted(seen.policies, seen.router).get("tenants")
    if not tenants:
        return Check("contents", Outcome.OK, "nobody's prompts and answers are to be kept")
    if not isinstance(seen.router.deployment, Mapping):
        summary = "unknown: the router's Deployment, which says where its keys are, was not read"
        return Check("contents", Outcome.WARN, summary, fix="see the check of the router")
    kept = f"prompts and answers of {_whose(tenants)}"
    name = keys_wanted(seen.policies, seen.router)
    if name is None:
        return Check(
            *("contents", Outcome.FAIL, f"{kept} are to be kept, but the routers have no keys"),
            fix="name the Secret with the keys in the chart's ledger.contents.keysSecret, with "
            "ledger.enabled=true; or leave spec.contents out of the RouterPolicy",
        )
    return _sealing(seen, kept, name)


def keys_wanted(policies: Objects | Unread, router: Workload) -> str | None:
    """Name the Secret whose keys the routers need, or None where they need or have none.

    It is the one that is mounted where ``TIERWISE_KEYS_DIR`` says.
    """
    folder = _environment(router).get("TIERWISE_KEYS_DIR")
    if isinstance(policies, Unread) or not folder or not _wanted(policies, router).get("tenants"):
        return None
    mounts = [one for each in _containers(router) for one in each.get("volumeMounts", ())]
    there = {one["name"] for one in mounts if one["mountPath"].rstrip("/") == folder.rstrip("/")}
    volumes = _pod(router).get("volumes", ())
    return next((v["secret"]["secretName"] for v in volumes if v["name"] in there), None)


def _sealing(seen: Snapshot, kept: str, name: str) -> Check:
    """Whether the keys of the Secret can seal."""
    if isinstance(seen.keys, Unread):
        return Check("contents", Outcome.WARN, seen.keys.why, fix=seen.keys.fix)
    make = f"kubectl -n {seen.namespace} create secret generic {name}"
    fix = f"{make} --from-literal={seen.now:%Y-%m}=$(openssl rand -hex 32)"
    if seen.keys is None:
        summary = f"{kept} are to be kept, but there is no Secret {name}, so none is"
        return Check("contents", Outcome.FAIL, summary, fix=fix)
    entries = {key: b64decode(value) for key, value in (seen.keys.get("data") or {}).items()}
    try:
        current = read_keys(entries, f"Secret {name}").current
    except ContentKeysError as error:
        summary = f"{kept} are to be kept, but none is: {error}"
        fix = f"kubectl -n {seen.namespace} edit secret {name}; `openssl rand -hex 32` makes a key"
        return Check("contents", Outcome.FAIL, summary, fix=fix)
    return Check("contents", Outcome.OK, f"{kept} are kept, sealed with key {current}")


def _wanted(policies: Objects, router: Workload) -> Mapping[str, Any]:
    """The section ``spec.contents`` of the RouterPolicy that the routers obey."""
    obeyed = _environment(router).get("TIERWISE_POLICY") or _POLICY
    found = [one.get("spec") or {} for one in policies if one["metadata"]["name"] == obeyed]
    return (found[0].get("contents") if found else None) or {}


def _environment(workload: Workload) -> dict[str, str]:
    given = [one for each in _containers(workload) for one in each.get("env", ())]
    return {one["name"]: one.get("value", "") for one in given}


def _containers(workload: Workload) -> Objects:
    found: Objects = _pod(workload).get("containers", ())
    return found


def _pod(workload: Workload) -> Object:
    deployment = workload.deployment
    if not isinstance(deployment, Mapping):
        return {}
    pod: Object = deployment["spec"].get("template", {}).get("spec", {})
    return pod


def _whose(tenants: list[str]) -> str:
    """Name some of them.

    >>> _whose(["demo/a", "demo/b", "demo/c", "demo/d"]), _whose(["*"])
    ('demo/a, demo/b, demo/c and 1 more', 'everybody')
    """
    if "*" in tenants:
        return "everybody"
    more = f" and {len(tenants) - _SHOWN} more" if len(tenants) > _SHOWN else ""
    return f"{', '.join(tenants[:_SHOWN])}{more}"
