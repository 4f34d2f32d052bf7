"""Every link on our pages leads to a page, and to a heading that is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("", "docs/**/", "examples/**/", "charts/**/")
PAGES = sorted(str(p.relative_to(ROOT)) for folder in FOLDERS for p in ROOT.glob(f"{folder}*.md"))


def prose(page: Path) -> str:
    return CODE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have for links."""
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each) for each in headings(page))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in plain}


def headings(page: Path) -> Iterator[str]:
    return (found[1].strip() for found in re.finditer(r"^#+ (.*)$", prose(page), re.MULTILINE))


def lost(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        is_ours = not re.match("[a-z]+:", link)
        if is_ours and (not target.exists() or (anchor and anchor not in anchors(target))):
            yield link


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert list(lost(ROOT / page)) == []
