"""The `tierwise` command: its parts, each loaded when it is asked for.

All parts together take 1.8 s of processor time to load, `ask` alone 0.4 s (2026-11-22).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from tierwise_cli.options import examples

__all__ = ["PARTS", "application", "asked_for", "main"]

COMPLETES = "_TIERWISE_COMPLETE"
"""The variable by which a shell asks for the words that could follow."""


@dataclass(frozen=True, slots=True)
class Part:
    """A command, or a group of commands.

    Attributes:
        name: What a person types.
        module: Where it is.
        what: Its name there: a function, or a Typer of its own.
        epilog: The name there of the examples at the end of a command's help; a group has its own.
    """

    name: str
    module: str
    what: str
    epilog: str = "EXAMPLES"

    def add_to(self, app: typer.Typer) -> None:
        """Load it, and make it a part of the program."""
        home = import_module(self.module)
        what = getattr(home, self.what)
        if isinstance(what, typer.Typer):
            app.add_typer(what, name=self.name)
        else:
            app.command(self.name, epilog=getattr(home, self.epilog))(what)


PARTS = (
    Part("version", "tierwise_cli.about", "version"),
    Part("crds", "tierwise_cli.about", "crds", "CRDS_EXAMPLES"),
    Part("doctor", "tierwise_cli.doctor", "doctor"),
    Part("ask", "tierwise_cli.ask", "ask"),
    Part("explain", "tierwise_cli.explain", "explain"),
    Part("feedback", "tierwise_cli.explain", "feedback", "FEEDBACK_EXAMPLES"),
    Part("serve", "tierwise_cli.serve", "serve"),
    Part("status", "tierwise_cli.status", "status"),
    Part("replay", "tierwise_cli.replay", "replay"),
    Part("classify", "tierwise_cli.classify", "classify"),
    Part("fetch", "tierwise_operator.weights.command", "fetch"),
    Part("size", "tierwise_cli.size", "size"),
    Part("cost", "tierwise_cli.cost", "cost"),
    Part("calibrate", "tierwise_cli.calibrate", "calibrate"),
    Part("claims", "tierwise_cli.learned", "claims", "CLAIMS_EXAMPLES"),
    Part("drift", "tierwise_cli.learned", "drift", "DRIFT_EXAMPLES"),
    Part("export", "tierwise_cli.export", "export"),
    Part("plan", "tierwise_cli.plan", "planning"),
    Part("tiers", "tierwise_cli.tiers", "tiering"),
    Part("rollout", "tierwise_cli.rollouts", "rolling"),
    Part("batch", "tierwise_cli.batch", "batching"),
    Part("tenant", "tierwise_cli.tenant", "tenancy"),
    Part("audit", "tierwise_cli.audit", "audit"),
    Part("ledger", "tierwise_cli.ledger_command", "bookkeeping"),
    Part("economics", "tierwise_cli.economics", "economics"),
    Part("simulate", "tierwise_cli.simulate", "simulating"),
)


def application(parts: Iterable[Part] = PARTS) -> typer.Typer:
    """The program with these parts."""
    app = typer.Typer(
        name="tierwise",
        help="Specialist models on a mixed GPU fleet: each on the cheapest tier it fits, behind "
        "one OpenAI endpoint.",
        epilog=examples(
            "tierwise doctor", 'tierwise ask "sort dbca"', "tierwise serve routes.yaml"
        ),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    # A program of one command would do without its name; this keeps it a group.
    app.callback()(_nothing_before)
    for part in parts:
        part.add_to(app)
    return app


def _nothing_before() -> None:
    pass


def asked_for(words: Sequence[str], environ: Mapping[str, str]) -> tuple[Part, ...]:
    """The part that a command line needs; all of them for help, a mistyped name or a shell.

    >>> [part.name for part in asked_for(["cost", "--by", "tenant"], {})]
    ['cost']
    >>> asked_for(["--help"], {}) == asked_for(["kost"], {}) == PARTS
    True
    """
    named = tuple(part for part in PARTS if [part.name] == list(words[:1]))
    return PARTS if COMPLETES in environ else named or PARTS


def main() -> None:
    """Run the command with the process's arguments."""
    application(asked_for(sys.argv[1:], os.environ))()
