"""The ways that requests took: from their field over everybody asked to how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, and_, func, select

from tierwise_core.decision_record import SHADOW
from tierwise_ledger.seeing.buckets import HOUR_S
from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.outcomes import OUTCOME_HOURS, OUTCOMES

__all__ = ["Link", "Node", "flow", "paths"]

MOST_REQUESTS: Final = 20_000
MOST_HOPS: Final = 4
MOST_NODES: Final = 9
OF_CALL: Final = ("specialist", "tier", "verdict", "failure")
KINDS: Final = {
    "escalate": "escalated", "failed": "failed", "abstain": "abstained", "relayed": "relayed",
}  # fmt: skip


class Node(NamedTuple):
    """One box: ``column`` counts from the left, ``role`` is field, specialist or state."""

    column: int
    role: str
    name: str


class Link(NamedTuple):
    """From a box to a later one; ``kind`` is what the box before made of the request."""

    source: Node
    target: Node
    kind: str


def flow(connection: Connection, span: Span, only: Mapping[str, str]) -> dict[str, Any]:
    """Give the boxes and links of a time's requests, of the newest if there are too many.

    ``only`` chooses by ``tenant`` and ``field``.
    """
    found = list(connection.execute(_ways(span, only)))
    shown = sum(row.requests for row in found)
    total = shown if shown < MOST_REQUESTS else _counted(connection, span, only)
    return {"requests": total, "shown": shown, **_told(paths(found))}


def _ways(span: Span, only: Mapping[str, str]) -> Select[Any]:
    """Count the requests that went the same way; the database does it, there may be many."""
    query = select(OUTCOMES.c.id, OUTCOMES.c.field, OUTCOMES.c.state).where(
        OUTCOMES.c.at >= span.since, OUTCOMES.c.at < span.until, OUTCOMES.c.state != SHADOW
    )
    for name, value in only.items():
        query = query.where(OUTCOMES.c[name] == value)
    newest = query.order_by(OUTCOMES.c.at.desc()).limit(MOST_REQUESTS).subquery()
    calls = [CALLS.alias(f"call_{hop}") for hop in range(MOST_HOPS)]
    joined: Any = newest
    for hop, call in enumerate(calls):
        joined = joined.outerjoin(call, and_(call.c.outcome == newest.c.id, call.c.position == hop))
    labels = [newest.c.field, newest.c.state]
    for hop, call in enumerate(calls):
        labels += [call.c[name].label(f"{name}_{hop}") for name in OF_CALL]
    return select(*labels, func.count().label("requests")).select_from(joined).group_by(*labels)


def _counted(connection: Connection, span: Span, only: Mapping[str, str]) -> int:
    """Count them all, by the sums of the hours that the time is in."""
    hours = OUTCOME_HOURS.c
    query = select(func.sum(hours.requests)).where(
        hours.hour > span.since - HOUR_S, hours.hour < span.until
    )
    for name, value in only.items():
        query = query.where(hours[name] == value)
    return int(connection.execute(query).scalar() or 0)


def paths(ways: Iterable[Any]) -> Counter[Link]:
    """Count the links of ways: field, state, the calls in order, and how many requests went so.

    >>> from types import SimpleNamespace as Way
    >>> nobody = {f"{name}_{hop}": None for name in OF_CALL for hop in (2, 3)}
    >>> way = Way(field="sorting", state="escalated", requests=3, **nobody,
    ...     specialist_0="demo/small", tier_0="4090", verdict_0="escalate", failure_0="",
    ...     specialist_1="demo/large", tier_1="h100", verdict_1="accept", failure_1="")
    >>> for link, count in paths([way]).items():
    ...     print(link.source.name, "->", link.target.name, link.kind, count)
    sorting -> small · 4090 asked 3
    small · 4090 -> large · h100 escalated 3
    large · h100 -> escalated accepted 3
    """
    links: Counter[Link] = Counter()
    for way in ways:
        for link in _links(way):
            links[link] += way.requests
    return _gathered(links)


def _links(way: Any) -> Iterator[Link]:
    calls = [_call(way, hop) for hop in range(MOST_HOPS)]
    asked = [call for call in calls if call["specialist"]]
    nodes = [Node(0, "field", way.field or "(no field)")]
    nodes += [Node(at, "specialist", _who(call)) for at, call in enumerate(asked, 1)]
    nodes.append(Node(MOST_HOPS + 1, "state", way.state))
    kinds = ["asked", *(_kind(call) for call in asked)]
    for (source, target), kind in zip(pairwise(nodes), kinds, strict=True):
        yield Link(source, target, kind)


def _call(way: Any, hop: int) -> dict[str, str]:
    return {name: getattr(way, f"{name}_{hop}") or "" for name in OF_CALL}


def _who(call: Mapping[str, str]) -> str:
    name = call["specialist"].rpartition("/")[2]
    return f"{name} · {call['tier']}" if call["tier"] else name


def _kind(call: Mapping[str, str]) -> str:
    return "failed" if call["failure"] else KINDS.get(call["verdict"], "accepted")


def _gathered(links: Counter[Link]) -> Counter[Link]:
    """Put the smallest boxes of a column together where there are too many to be read."""
    sizes: dict[int, Counter[Node]] = {}
    for link, count in links.items():
        for node in {link.source, link.target}:
            sizes.setdefault(node.column, Counter())[node] += count
    small = {
        node: Node(column, node.role, f"{len(found) - MOST_NODES} others")
        for column, found in sizes.items()
        for node, _ in found.most_common()[MOST_NODES:]
        if len(found) > MOST_NODES + 1
    }
    together: Counter[Link] = Counter()
    for link, count in links.items():
        source, target = (small.get(node, node) for node in (link.source, link.target))
        together[Link(source, target, link.kind)] += count
    return together


def _told(links: Counter[Link]) -> dict[str, Any]:
    """Number the columns without gaps: nobody may have been asked four times."""
    nodes = sorted({node for link in links for node in (link.source, link.target)})
    columns = {column: at for at, column in enumerate(sorted({node.column for node in nodes}))}
    at = {node: place for place, node in enumerate(nodes)}
    return {
        "nodes": [
            {"column": columns[node.column], "role": node.role, "name": node.name} for node in nodes
        ],
        "links": [
            {"source": at[one.source], "target": at[one.target], "kind": one.kind, "requests": n}
            for one, n in sorted(links.items())
        ],
    }
