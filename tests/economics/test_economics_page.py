"""docs/economics.md: every output is what its command prints, every field is on it.

``TIERWISE_WRITE_DOCS=1 pytest tests/economics/test_economics_page.py`` writes the outputs anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

import pytest
import typer
from docblocks import ROOT, commands
from docscenes import printed

from tierwise_cli.main import app
from tierwise_core.economics.consensus import ConsensusCase
from tierwise_core.economics.fanout import FanOutCase
from tierwise_core.economics.finetune import FineTuneCase
from tierwise_core.economics.funnel import FunnelCase
from tierwise_core.economics.gate import GateCase
from tierwise_core.economics.latency_tiers import LatencyCase
from tierwise_core.economics.payback import PaybackCase
from tierwise_core.economics.reading import name_in_file
from tierwise_core.economics.routefit import RouteFitCase
from tierwise_core.economics.self_managed import SelfManagedCase

PAGE = ROOT / "docs/economics.md"
TEXT = PAGE.read_text()
SHOWN = re.compile(
    r"^```sh\n(?P<command>tierwise [^\n]+)\n```\n\n```text\n(?P<output>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
PAIRS = [(found["command"], found["output"]) for found in SHOWN.finditer(TEXT)]
CASES = (
    FunnelCase, RouteFitCase, GateCase, PaybackCase, FineTuneCase, SelfManagedCase, FanOutCase,
    ConsensusCase, LatencyCase,
)  # fmt: skip


def test_every_command_is_shown() -> None:
    assert len(PAIRS) == len(CASES)


@pytest.mark.parametrize(("command", "output"), PAIRS, ids=[command for command, _ in PAIRS])
def test_it_prints_what_the_page_says(command: str, output: str) -> None:
    found = printed(command)
    if os.environ.get("TIERWISE_WRITE_DOCS"):
        _write(command, found)
    else:
        assert found == output


@pytest.mark.parametrize("case", CASES)
def test_every_field_is_on_the_page(case: type[Any]) -> None:
    missing = {name for name in _names(case) if f"`{name}`" not in TEXT}

    assert missing == set()


@pytest.mark.parametrize("call", [*commands("docs/economics.md", "tierwise")], ids=" ".join)
def test_the_program_takes_every_call(call: list[str]) -> None:
    program = typer.main.get_command(app)

    with program.make_context("tierwise", list(call)) as context:
        _, group, rest = program.resolve_command(context, [*context._protected_args, *context.args])
        with group.make_context("economics", rest, parent=context) as inner:
            name, command, more = group.resolve_command(
                inner, [*inner._protected_args, *inner.args]
            )
            assert command.make_context(name, more)


def _names(kind: Any) -> Iterator[str]:
    """The fields of a case as a file has them, at any depth."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        for one in fields(kind):
            yield name_in_file(one.name)
            yield from _names(hints[one.name])
    for inner in get_args(kind):
        yield from _names(inner)


def _write(command: str, output: str) -> None:
    def anew(match: re.Match[str]) -> str:
        if match["command"] != command:
            return match[0]
        before = match.start("output") - match.start()
        return f"{match[0][:before]}{output}```"

    PAGE.write_text(SHOWN.sub(anew, PAGE.read_text()))
