"""``python -m tierwise_operator.weights``: what pods run, without the weight of the operator."""

from __future__ import annotations

from typing import Final

import typer

from tierwise_operator.adapter_command import adapters
from tierwise_operator.weights.command import EXAMPLES, fetch
from tierwise_operator.weights.describe import describe
from tierwise_operator.weights.tell import tell

app: Final = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Brings models' files to a pod, and tells of files in a claim.",
)
app.command(epilog=EXAMPLES)(fetch)
app.command()(describe)
app.command()(tell)
app.command()(adapters)

if __name__ == "__main__":
    app()
