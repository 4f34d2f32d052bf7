"""A pod fetches with the image that it began with.

A new version of the operator comes with a new image to fetch with. The image stands in the pod
template, so it would make a new revision, and restart every engine that was fetched for. Where it
is all that would change, the pods keep theirs.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tierwise_core.adapter_container import ADAPTER_FETCHER
from tierwise_core.children import Child, edition
from tierwise_core.engine import Layout
from tierwise_core.fetch_container import FETCHER
from tierwise_core.specialist import Specialist

__all__ = ["lasting"]

FETCHERS = frozenset({FETCHER, ADAPTER_FETCHER})


def lasting(specialist: Specialist, layout: Layout, children: Iterable[Child]) -> Layout:
    """Return the layout, with the image of the live pods if they differ in nothing else."""
    for known, image in sorted(set(_images(children)), reverse=True):
        if image != layout.delivery.image:
            older = replace(layout, delivery=replace(layout.delivery, image=image))
            if edition(specialist, older) == known:
                return older
    return layout


def _images(children: Iterable[Child]) -> Iterator[tuple[str, str]]:
    """Yield what pods of live Deployments fetch with: the edition they are of, and the image."""
    for child in children:
        fetches = any(f'"{name}"' in child.live for name in FETCHERS)
        if child.deleting or not child.edition or not fetches:
            continue
        for container in _init_containers(json.loads(child.live)):
            if container.get("name") in FETCHERS and container.get("image"):
                yield child.edition, str(container["image"])


def _init_containers(live: Any) -> list[Any]:
    template = (live.get("spec") or {}).get("template") or {}
    return list((template.get("spec") or {}).get("initContainers") or ())
