"""Which outcomes somebody asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import Select

__all__ = ["FILTERS", "Choice", "filtered"]

FILTERS: Final = (
    "tenant", "field", "specialist", "revision", "tier", "state", "session", "user", "query_id",
    "latency_class", "workload", "model",
)  # fmt: skip
"""What outcomes can be chosen by."""

COLUMN_OF: Final = {"user": "user_digest"}


class Choice(NamedTuple):
    """Which outcomes: those from ``since`` until before ``until`` that pass every filter.

    A filter is a name of :data:`FILTERS` with the values that pass.
    """

    since: float
    until: float
    filters: Mapping[str, Sequence[str]] = MappingProxyType({})


def filtered(query: Select[Any], columns: Any, filters: Mapping[str, Sequence[str]]) -> Select[Any]:
    """Narrow a query to what passes every filter."""
    for name, values in filters.items():
        column = columns[COLUMN_OF.get(name, name)]
        query = query.where(column == values[0] if len(values) == 1 else column.in_(values))
    return query
