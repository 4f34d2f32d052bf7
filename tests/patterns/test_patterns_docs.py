"""The YAML of docs/patterns.md and the example are policies that a router obeys."""

from __future__ import annotations

import pytest
from docblocks import ROOT, blocks

from tierwise_router.documents import read_documents
from tierwise_router.table import build_table

PAGE = ROOT / "docs" / "patterns.md"
EXAMPLE = ROOT / "examples" / "patterns" / "policy.yaml"
QUICKSTART = [ROOT / "examples" / "quickstart" / name for name in ("tiers", "specialists")]


def policies() -> list[str]:
    return [*blocks(PAGE, "yaml"), EXAMPLE.read_text()]


@pytest.mark.parametrize("text", policies())
def test_a_policy_of_the_page_fits_the_quickstart(text: str) -> None:
    quickstart = "\n---\n".join(path.with_suffix(".yaml").read_text() for path in QUICKSTART)

    table, problems = build_table(read_documents(f"{quickstart}\n---\n{text}", "page"))

    assert [one for one in problems if one.object_name.startswith("RouterPolicy")] == []
    assert table.policy.patterns.named or table.policy.patterns.shadows
