"""``python -m observability [--check]``: write what follows from the metrics, or say what differs.

It writes the tables of docs/metrics.md, and the chart's alert rules and dashboards.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from observability import alerts
from observability.checking import wrong_labels, wrong_queries
from observability.dashboards import DASHBOARDS
from observability.grafana import dashboard, queries
from observability.inventory import Described, everything
from observability.page import filled

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
FILES = ROOT / "charts" / "tierwise" / "files"
HEAD = "# Written by `make generate` from hack/observability/alerts.py.\n"


def wrong(metrics: tuple[Described, ...]) -> Iterator[str]:
    """Say what does not fit together."""
    yield from wrong_labels(metrics)
    yield from wrong_queries(alerts.queries(), metrics)
    for board in DASHBOARDS:
        yield from wrong_queries(queries(board), metrics)


def written(metrics: tuple[Described, ...]) -> Iterator[tuple[Path, str]]:
    """Give every generated file with its text."""
    yield PAGE, filled(PAGE.read_text(encoding="utf-8"), metrics)
    rules = yaml.safe_dump(alerts.rules(), sort_keys=False, width=110, allow_unicode=True)
    yield FILES / "alerts.yaml", HEAD + rules
    for board in DASHBOARDS:
        text = json.dumps(dashboard(board), indent=1)
        yield FILES / "dashboards" / f"{board.uid}.json", text + "\n"


def main() -> int:
    """Write, or check."""
    parser = argparse.ArgumentParser(prog="python -m observability", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    checks = parser.parse_args().check
    metrics = everything()
    problems = list(wrong(metrics))
    for path, text in written(metrics) if not problems else ():
        if checks and (not path.exists() or path.read_text(encoding="utf-8") != text):
            problems.append(f"{path.relative_to(ROOT)}: differs. Fix: make generate, and commit it")
        elif not checks:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for problem in problems:
        print(problem, file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
