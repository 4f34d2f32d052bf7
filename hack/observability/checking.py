"""Holds queries to the metrics that exist: their names, and the labels they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from observability.bounds import BOUNDS
from observability.inventory import Described, samples

__all__ = ["wrong_labels", "wrong_queries"]

NAME = re.compile(r"\btierwise_[a-z0-9_]+")
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
MATCHER = re.compile(r"[{,]\s*([a-z_]+)\s*(?:=~|!~|!=|=)")
# What Prometheus, Kubernetes and histograms add.
OTHERS = frozenset({"le", "pod", "namespace", "job", "instance"})


def wrong_queries(named: Iterable[tuple[str, str]], metrics: Iterable[Described]) -> Iterator[str]:
    """Say what queries ask for and nobody has.

    >>> retries = Described("router", "tierwise_router_retries", "counter", "", ("specialist",))
    >>> query = "sum by (pod, tenant) (rate(tierwise_router_retries[5m]))"
    >>> list(wrong_queries([("Retries", query)], [retries]))
    ["Retries: there is no metric 'tierwise_router_retries'", "Retries: no metric of it has the \
label 'tenant'"]
    """
    known = samples(metrics)
    for title, query in named:
        names = NAME.findall(query)
        yield from (f"{title}: there is no metric {one!r}" for one in names if one not in known)
        if not names:
            yield f"{title}: asks for no metric of ours"
        had = {label for one in names if one in known for label in known[one].labels}
        for label in _labels(query):
            if label not in had | OTHERS:
                yield f"{title}: no metric of it has the label {label!r}"


def wrong_labels(metrics: Iterable[Described]) -> Iterator[str]:
    """Say which labels nobody bounds."""
    for one in metrics:
        for label in one.labels:
            if label not in BOUNDS:
                yield f"{one.name}: how many values can {label!r} take? say so in bounds.py"


def _labels(query: str) -> Iterator[str]:
    for group in GROUPING.findall(query):
        yield from (label.strip() for label in group.split(",") if label.strip())
    yield from MATCHER.findall(query)
