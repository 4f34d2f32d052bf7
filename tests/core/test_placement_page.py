"""docs/placement.md shows what really comes out."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "placement.md"


def test_the_worked_example_prints_what_the_page_says() -> None:
    text = PAGE.read_text()
    code, output = (
        re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text")
    )
    assert code
    assert output
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code[1], str(PAGE), "exec"), {})  # noqa: S102 - the page's own example
    assert said.getvalue() == output[1]
