"""What docs/rollouts.md shows is what is printed, and its figures are what it says of them."""

from __future__ import annotations

import os
import re

from docblocks import ROOT
from docscenes import printed

PAGE = ROOT / "docs/rollouts.md"
SHOWN = re.compile(r"```sh\n(tierwise [^\n]+)\n```\n\n```text\n(.*?)```", re.DOTALL)


def test_the_simulation_prints_what_the_page_says() -> None:
    text = PAGE.read_text()
    (shown,) = SHOWN.finditer(text)
    found = printed(shown[1])
    if os.environ.get("TIERWISE_WRITE_DOCS"):
        PAGE.write_text(text[: shown.start(2)] + found + text[shown.end(2) :])
        return
    assert shown[2] == found


def test_the_figures_keep_the_bounds_that_the_page_promises() -> None:
    rows = [
        line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if "| tierwise |" in line
    ]
    ours = {row[0].strip(): [cell.strip() for cell in row] for row in rows}

    assert _percent(ours["delta worse"][2]) <= 1
    assert _percent(ours["equal"][3]) <= 5
    assert int(ours["broken"][6].split(", ")[1]) <= 20


def _percent(cell: str) -> float:
    return float(cell.removesuffix(" %"))
