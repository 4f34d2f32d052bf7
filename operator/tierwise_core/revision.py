"""Names: the revision of a pod template, and object names that DNS accepts."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

REVISION_LENGTH = 8
DNS_LABEL_LIMIT = 63
POD_SUFFIX_LENGTH = 1 + 10 + 1 + 5  # a Deployment's pods add "-<template hash>-<5 letters>"
_DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


def canonical_json(value: Any) -> str:
    """Return JSON that is equal for equal values: sorted keys, no spaces.

    >>> canonical_json({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any, length: int = REVISION_LENGTH) -> str:
    """Return the first hex digits of the SHA-256 of a value's canonical JSON.

    >>> digest({"image": "vllm"})
    'df0c514f'
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def revision(pod_template: Mapping[str, Any]) -> str:
    """Return the revision of a rendered pod template: two templates that differ never share one.

    Everything that would restart a pod is in the template (model, engine, tier, tensor
    parallelism), and nothing else is, so a change of priority or of a price keeps the revision.
    """
    return digest(pod_template)


def dns_label(name: str, limit: int = DNS_LABEL_LIMIT) -> str:
    """Return the name itself if DNS accepts it as a label of at most ``limit`` characters.

    Otherwise what fits of it, and a hash of the whole, so that two long names stay two names.

    >>> dns_label("sorter")
    'sorter'
    >>> dns_label("a" * 70) == "a" * 54 + "-" + digest("a" * 70)
    True
    >>> dns_label("v1.sorter")
    'v1-sorter-36d77b49'
    """
    if len(name) <= limit and _DNS_LABEL.fullmatch(name):
        return name
    cleaned = re.sub(r"[^-a-z0-9]+", "-", name.lower()).strip("-")
    letters = cleaned if cleaned[:1].isalpha() else f"s{cleaned}"
    return letters[: limit - REVISION_LENGTH - 1].rstrip("-") + "-" + digest(name)


def deployment_name(specialist: str, rev: str) -> str:
    """Return ``<specialist>-<revision>``, short enough that the pods' names are DNS labels.

    >>> deployment_name("sorter", "5d8f7c9b")
    'sorter-5d8f7c9b'
    >>> len(deployment_name("x" * 63, "5d8f7c9b")) + POD_SUFFIX_LENGTH
    63
    """
    room = DNS_LABEL_LIMIT - POD_SUFFIX_LENGTH - REVISION_LENGTH - 1
    return f"{dns_label(specialist, room)}-{rev}"


def label_value(name: str) -> str:
    """Return the name as a label value: label values may hold 63 characters, names 253."""
    if len(name) <= DNS_LABEL_LIMIT:
        return name
    return f"{name[: DNS_LABEL_LIMIT - REVISION_LENGTH - 1].rstrip('-.')}-{digest(name)}"
