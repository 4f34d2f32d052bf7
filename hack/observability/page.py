"""The table of metrics on docs/metrics.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from observability.alerts import ALERTS
from observability.bounds import BOUNDS
from observability.inventory import Described

__all__ = ["filled"]

PLACES = {"router": "Router", "ledger": "Ledger", "operator": "Operator"}


def filled(page: str, metrics: Iterable[Described]) -> str:
    """Write the page's generated parts anew; raises ValueError where a mark is missing."""
    found = tuple(metrics)
    for name, lines in (
        ("metrics", _tables(found)),
        ("labels", _bounds(found)),
        ("alerts", _alerts()),
    ):
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- end of {name} -->"
        before, rest = page.split(begin, 1)
        page = before + begin + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1]
    return page


def _tables(metrics: tuple[Described, ...]) -> Iterator[str]:
    for component, title in PLACES.items():
        yield f"\n### {title}\n"
        yield "| metric | kind | labels | what it tells |"
        yield "|---|---|---|---|"
        for one in metrics:
            if one.component == component:
                labels = ", ".join(f"`{label}`" for label in one.labels)
                name = one.samples[0] if one.kind == "counter" else one.name
                yield f"| `{name}` | {one.kind} | {labels} | {one.text} |"


def _bounds(metrics: tuple[Described, ...]) -> Iterator[str]:
    used = sorted({label for one in metrics for label in one.labels})
    yield "\n| label | how many values |"
    yield "|---|---|"
    yield from (f"| `{label}` | {BOUNDS[label]} |" for label in used)


def _alerts() -> Iterator[str]:
    yield "\n| alert | severity | when | what to do |"
    yield "|---|---|---|---|"
    for one in ALERTS:
        shown = one.summary.replace("{{ $labels.", "").replace("{{ $", "").replace(" }}", "")
        yield f"| `{one.name}` | {one.severity} | {shown}, for {one.lasting} | {one.remedy} |"
