"""The weights of well-known models, counted from their configs, beside their published sizes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tierwise_core.architectures import metadata_from_config
from tierwise_core.parameters import active_parameters, count_parameters
from tierwise_core.weight_bytes import stored_bytes

HERE = Path(__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "models.md"
PUBLISHED: list[dict[str, Any]] = json.loads((HERE / "public_models.json").read_text())
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


@pytest.mark.parametrize("entry", PUBLISHED, ids=[entry["model"] for entry in PUBLISHED])
def test_the_weights_are_within_one_percent_of_the_published_size(entry: dict[str, Any]) -> None:
    assert stored_bytes(entry["config"]) == pytest.approx(entry["published_bytes"], rel=0.01)


def test_there_are_more_than_twenty_and_each_names_its_source() -> None:
    assert len(PUBLISHED) > 20
    assert all(entry["source"] for entry in PUBLISHED)


def test_most_are_exact_to_the_byte() -> None:
    exact = [e for e in PUBLISHED if stored_bytes(e["config"]) == e["published_bytes"]]
    assert len(exact) >= 20


def test_the_page_shows_the_table_as_it_is_computed() -> None:
    """Write it again with ``python tests/sizing/test_public_models.py``."""
    assert table() in PAGE.read_text()


def table() -> str:
    head = (
        "| model | active / all parameters | KV bytes per token | published bytes | ours | error "
        "| source of the published size |\n|---|---|---|---|---|---|---|\n"
    )
    return BEGIN + head + "".join(row(entry) for entry in PUBLISHED) + END


def row(entry: dict[str, Any]) -> str:
    config, published = entry["config"], entry["published_bytes"]
    ours, count = stored_bytes(config), count_parameters(config)
    found = metadata_from_config(config, ours, count)
    active = active_parameters(found.linears)
    return (
        f"| {entry['model']} | {active / 1e9:.2f} / {count / 1e9:.2f} G "
        f"| {found.kv_bytes_per_token:,} | {published:,} | {ours:,} "
        f"| {(ours - published) / published:.3%} | {entry['source']} |\n"
    )


def write_page() -> None:
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + table() + rest.split(END)[1])


if __name__ == "__main__":
    write_page()
