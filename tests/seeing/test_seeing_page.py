"""docs/seeing.md and the decision behind the page say what is so."""

from __future__ import annotations

import re

from docblocks import ROOT

from tierwise_ledger.service import ui

PAGE = (ROOT / "docs/seeing.md").read_text()
FOLDER = ROOT / "router/tierwise_ledger/ui"


def test_every_answer_behind_the_page_is_on_it() -> None:
    served = {
        route.path.removeprefix("/v1/ui/").replace("{id}", "ID")
        for route in ui.ROUTES
        if route.path.startswith("/v1/ui/")
    }

    assert set(re.findall(r"^\| `([\w/]+)` \|", PAGE, re.MULTILINE)) == served


def test_every_view_is_on_it() -> None:
    titles = re.findall(r'\["\w+", "(\w+)", \w+\]', (FOLDER / "app.js").read_text())

    assert len(titles) == 6
    assert all(f"| {title} |" in PAGE for title in titles)


def test_the_page_asks_nobody_else_and_parses_no_html() -> None:
    for file in FOLDER.rglob("*.*"):
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text, file
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, file


def test_modules_stay_small() -> None:
    files = list(FOLDER.rglob("*.js"))

    assert all(len(file.read_text().splitlines()) < 200 for file in files)
    assert sum(file.stat().st_size for file in FOLDER.rglob("*.*")) < 64 * 1024
