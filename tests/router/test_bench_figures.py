"""The bench's own arithmetic, and that its chart and page can be drawn from any figures."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

BENCH = str(Path(__file__).resolve().parents[2] / "bench" / "router")
sys.path.insert(0, BENCH)

from figures import (  # noqa: E402 - the path is set first
    Cell,
    Use,
    added_ms,
    cpu_us_per_request,
    median_cell,
    percentile,
    times,
)
from load import PROMPTS, bodies  # noqa: E402
from page import END, START, Figures, record  # noqa: E402

sys.path.remove(BENCH)


@given(values=st.lists(st.floats(0, 1e6), min_size=1), share=st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_a_value_that_enough_are_not_above(
    values: list[float], share: float
) -> None:

    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) <= share * len(values)


def test_the_figures_are_what_their_names_say() -> None:

    assert added_ms(1.25, 0.25) == 1.0
    assert added_ms(0.2, 0.25) == 0.0
    assert cpu_us_per_request(Use(1.0, 0), Use(3.0, 0), 20_000) == 100.0
    assert cpu_us_per_request(Use(1.0, 0), Use(3.0, 0), 0) == 0.0
    assert median_cell([Cell(rps, 1, 2, 3, 0) for rps in (30, 10, 20)]).rps == 20
    assert times(300, 2) == 150
    assert times(300, 0) is None


def test_every_prompt_is_another_one() -> None:

    assert len(set(bodies("auto", large=False))) == PROMPTS
    assert {len(body) > 150_000 for body in bodies("auto", large=True)} == {True}


def test_a_run_becomes_a_page_and_a_chart(tmp_path: Path) -> None:

    cells = {
        "direct": Cell(100_000, 0.1, 0.3, 300_000, 0),
        "tierwise on Ray x2, auto": Cell(15_000, 1.0, 3.0, 45_000, 0, 70.0),
        "vllm-router": Cell(10_000, 1.5, 4.0, 30_000, 0, 60.0),
        "litellm": Cell(50, 300, 500, 150, 2, 19_000.0),
    }
    figures = Figures({("whole", 16, False): cells}, {"litellm": (150, 2 << 20, 3 << 20)})
    page, chart = tmp_path / "page.md", tmp_path / "chart.svg"
    page.write_text(f"before\n{START}\nold\n{END}\nafter\n")

    record(figures, page, chart, "make bench-router RECORD=yes")

    text = page.read_text()
    assert "1.50 of vllm-router's rate, 300 times LiteLLM's" in text
    assert "| 16 | direct | 100,000 |" in text
    assert "| tierwise on Ray x2, auto | 15,000 | 1.000 | 3.00 | 0.900 | 2.70 | 70 | 0 |" in text
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert ET.fromstring(chart.read_text()).tag.endswith("svg")  # noqa: S314 - our own
