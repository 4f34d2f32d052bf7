"""Every command on our pages is one the program takes."""

from contextlib import chdir

import pytest
import typer
from docblocks import ROOT, commands

from tierwise_cli.main import app

PAGES = ("docs/cli.md", "docs/install.md", "charts/tierwise/README.md", "README.md")
CALLS = [(page, call) for page in PAGES for call in commands(page, "tierwise")]


def test_the_pages_have_commands() -> None:
    assert {page for page, _ in CALLS} >= {"docs/cli.md", "docs/install.md"}


@pytest.mark.parametrize(
    ("page", "call"), CALLS, ids=[f"{page}: {' '.join(call)}" for page, call in CALLS]
)
def test_the_program_takes_it(page: str, call: list[str]) -> None:
    program = typer.main.get_command(app)

    # Files are named as from the repository's root.
    with chdir(ROOT), program.make_context("tierwise", list(call)) as context:
        name, command, rest = program.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        assert command.make_context(name, rest)
