"""The YAML of docs/routing.md is what the router really reads."""

from __future__ import annotations

import re
from pathlib import Path

from tierwise_router.brain import Brain
from tierwise_router.documents import read_documents
from tierwise_router.table import build_table

PAGE = Path(__file__).parents[2] / "docs" / "routing.md"


def test_the_page_shows_a_table_that_works() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)

    table, problems = build_table(read_documents(block, str(PAGE)))
    made = Brain.build(table).plan("sort the letters qwxy")

    assert problems == ()
    assert list(table.routes) == ["demo/anything", "demo/sorter"]
    assert [hop.route.name for hop in made.hops] == ["sorter", "anything"]
