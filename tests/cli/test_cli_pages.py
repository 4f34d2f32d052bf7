"""Every output on docs/cli.md is what the command above it prints.

``TIERWISE_WRITE_DOCS=1 pytest tests/cli/test_cli_pages.py`` writes the outputs anew.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from docblocks import ROOT
from docscenes import printed

PAGE = ROOT / "docs/cli.md"
SHOWN = re.compile(
    r"^```sh\n(?P<command>tierwise [^\n]+)\n```\n\n```(?:text|json|yaml)\n(?P<output>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PAIRS = [(found["command"], found["output"]) for found in SHOWN.finditer(PAGE.read_text())]
WRITES = bool(os.environ.get("TIERWISE_WRITE_DOCS"))


def test_the_page_shows_every_command_that_prints_something() -> None:
    shown = {" ".join(command.split()[1:3]) for command, _ in PAIRS}
    for words in (
        "size",
        "plan -f",
        "plan graph",
        "tiers discover",
        "doctor",
        "ask",
        "status",
        "classify",
    ):
        assert any(call.startswith(words) for call in shown), words


def test_the_page_lists_every_field_of_a_plans_json() -> None:
    printed_json = printed(
        "tierwise plan -f examples/fleets/mixed --offline --what-if 'remove node l4-01' -o json"
    )
    text = PAGE.read_text()
    section = text[text.index("`--output json` has it all") : text.index("### What if")]
    missing = {key for key in _keys(json.loads(printed_json)) if f"`{key}" not in section}
    assert missing == set()


def _keys(value: Any) -> set[str]:
    """The names of all fields, at any depth."""
    if isinstance(value, dict):
        return set(value).union(*(_keys(each) for each in value.values()))
    return set().union(*(_keys(each) for each in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize(("command", "output"), PAIRS, ids=[command for command, _ in PAIRS])
def test_it_prints_what_the_page_says(command: str, output: str) -> None:
    found = printed(command)
    if WRITES:
        _write(PAGE, command, found)
    else:
        assert found == output


def _write(page: Path, command: str, output: str) -> None:
    """Put the output below its command."""

    def anew(match: re.Match[str]) -> str:
        if match["command"] != command:
            return match[0]
        before = match.start("output") - match.start()
        return f"{match[0][:before]}{output}```"

    page.write_text(SHOWN.sub(anew, page.read_text()))
