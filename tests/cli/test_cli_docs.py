"""Every command on our pages is one the program takes."""

from contextlib import chdir
from typing import Any

import pytest
import typer
from docblocks import ROOT, commands

from tierwise_cli.main import app

PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))
CALLS = [
    (page, call)
    for page in ("README.md", "charts/tierwise/README.md", *PAGES)
    for call in commands(page, "tierwise")
]


def parsed(command: Any, name: str, words: list[str]) -> None:
    """Parse the words as the program would, and below a group those of its command."""
    with command.make_context(name, list(words)) as context:
        if getattr(context, "_protected_args", ()):
            words = [*context._protected_args, *context.args]
            below, inner, rest = command.resolve_command(context, words)
            parsed(inner, below, rest)


def test_the_pages_have_commands() -> None:
    assert {page for page, _ in CALLS} >= {"docs/cli.md", "docs/install.md", "docs/audit.md"}


@pytest.mark.parametrize(
    ("page", "call"), CALLS, ids=[f"{page}: {' '.join(call)}" for page, call in CALLS]
)
def test_the_program_takes_it(page: str, call: list[str]) -> None:
    try:
        # Files are named as from the repository's root.
        with chdir(ROOT):
            parsed(typer.main.get_command(app), "tierwise", call)
    except typer.BadParameter as error:
        if "does not exist" not in error.message:  # a file that the reader has yet to make
            raise
