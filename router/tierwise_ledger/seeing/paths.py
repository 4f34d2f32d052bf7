"""The ways that requests took: from their field over everybody asked to how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, func, select

from tierwise_ledger.service.asked import Span
from tierwise_ledger.tables.calls import CALLS
from tierwise_ledger.tables.outcomes import OUTCOMES

__all__ = ["Link", "Node", "flow", "paths"]

MOST_REQUESTS: Final = 20_000
MOST_HOPS: Final = 4
MOST_NODES: Final = 9
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
    chosen = _chosen(span, only)
    total = connection.execute(select(func.count()).select_from(chosen.subquery())).scalar_one()
    newest = chosen.order_by(OUTCOMES.c.at.desc()).limit(MOST_REQUESTS).subquery()
    steps = (CALLS.c.position, CALLS.c.specialist, CALLS.c.tier, CALLS.c.verdict, CALLS.c.failure)
    query = (
        select(newest.c.id, newest.c.field, newest.c.state, *steps)
        .select_from(newest.outerjoin(CALLS, CALLS.c.outcome == newest.c.id))
        .order_by(newest.c.id, CALLS.c.position)
    )
    taken = (tuple(rows) for _, rows in groupby(connection.execute(query), attrgetter("id")))
    links = paths(taken)
    return {"requests": total, "shown": min(total, MOST_REQUESTS), **_told(links)}


def _chosen(span: Span, only: Mapping[str, str]) -> Select[Any]:
    query = select(OUTCOMES.c.id, OUTCOMES.c.field, OUTCOMES.c.state, OUTCOMES.c.at).where(
        OUTCOMES.c.at >= span.since, OUTCOMES.c.at < span.until
    )
    for name, value in only.items():
        query = query.where(OUTCOMES.c[name] == value)
    return query


def paths(requests: Iterable[tuple[Any, ...]]) -> Counter[Link]:
    """Count the links; each request is its rows: id, field, state, and one for each call.

    >>> from types import SimpleNamespace as Row
    >>> asked = {"field": "sorting", "state": "escalated", "failure": ""}
    >>> rows = (Row(position=0, specialist="demo/small", tier="4090", verdict="escalate", **asked),
    ...         Row(position=1, specialist="demo/large", tier="h100", verdict="accept", **asked))
    >>> for link in paths([rows]):
    ...     print(link.source.name, "->", link.target.name, link.kind)
    sorting -> small · 4090 asked
    small · 4090 -> large · h100 escalated
    large · h100 -> escalated accepted
    """
    links: Counter[Link] = Counter()
    for rows in requests:
        links.update(_links(rows))
    return _gathered(links)


def _links(rows: tuple[Any, ...]) -> Iterator[Link]:
    first = rows[0]
    asked = [row for row in rows if row.specialist][:MOST_HOPS]
    nodes = [Node(0, "field", first.field or "(no field)")]
    nodes += [Node(at, "specialist", _who(row)) for at, row in enumerate(asked, 1)]
    nodes.append(Node(MOST_HOPS + 1, "state", first.state))
    kinds = ["asked", *(_kind(row) for row in asked)]
    for (source, target), kind in zip(pairwise(nodes), kinds, strict=True):
        yield Link(source, target, kind)


def _who(row: Any) -> str:
    name = row.specialist.rpartition("/")[2]
    return f"{name} · {row.tier}" if row.tier else name


def _kind(row: Any) -> str:
    return "failed" if row.failure else KINDS.get(row.verdict, "accepted")


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
