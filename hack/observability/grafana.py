"""Dashboards as Grafana imports them: boards of rows of panels, laid out in three columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Board", "Panel", "dashboard", "queries"]

WIDTH: Final = 24
PER_ROW: Final = 3
HEIGHT: Final = 8
SCHEMA: Final = 39
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: a title, a unit as Grafana names it, and (legend, query) pairs."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``rows`` are its sections."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


def dashboard(board: Board) -> dict[str, Any]:
    """Give a dashboard as Grafana imports it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["tierwise"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source()]},
        "panels": list(_panels(board)),
    }


def queries(board: Board) -> Iterator[tuple[str, str]]:
    """Yield every query, with the title of its panel."""
    for _, panels in board.rows:
        for panel in panels:
            yield from ((panel.title, query) for _, query in panel.queries)


def _source() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    width = WIDTH // PER_ROW
    for title, panels in board.rows:
        number += 1
        grid = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "gridPos": grid, "panels": []}
        top += 1
        for place, panel in enumerate(panels):
            number += 1
            column, line = place % PER_ROW, place // PER_ROW
            grid = {"x": column * width, "y": top + line * HEIGHT, "w": width, "h": HEIGHT}
            yield _panel(number, panel, grid)
        top += -(-len(panels) // PER_ROW) * HEIGHT


def _panel(number: int, panel: Panel, grid: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend,
            "exemplar": panel.exemplars,
        }
        for at, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": targets,
    }
