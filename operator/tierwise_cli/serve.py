"""`tierwise serve`: the router without Kubernetes, from files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tierwise_cli.errors import CliError
from tierwise_cli.extras import need_extra
from tierwise_cli.options import Output, examples
from tierwise_cli.printing import reported
from tierwise_core.errors import TierwiseError

__all__ = ["EXAMPLES", "serve"]

EXAMPLES = examples(
    "tierwise serve examples/laptop/routes.yaml",
    "tierwise serve tiers.yaml specialists.yaml --port 9000",
    "kubectl get gputiers,specialists -o yaml > fleet.yaml; tierwise serve fleet.yaml",
)
_LAPTOP_HOST = "127.0.0.1"
_NEEDED = ("ray", "httptools", "uvloop")


def serve(  # noqa: PLR0913, PLR0917 - the options of a command
    files: Annotated[
        list[Path],
        typer.Argument(
            help="YAML files with GPUTiers and Specialists, as for kubectl apply.",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ],
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; by default this machine only.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default 8080.")] = None,
    dispatchers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer; by default 2.")
    ] = None,
    secrets_dir: Annotated[
        Path | None,
        typer.Option(help="API keys: DIR/NAME/KEY for each secretRef.", file_okay=False),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error; by default info.")
    ] = None,
) -> None:
    """Run the router on this machine, with the very resources a cluster would have."""
    with reported(Output.TEXT):
        need_extra("router", "tierwise serve", _NEEDED)
        chosen = {
            "host": host or os.environ.get("TIERWISE_HOST", _LAPTOP_HOST),
            "port": port,
            "dispatchers": dispatchers,
            "secrets_dir": str(secrets_dir) if secrets_dir else None,
            "log_level": log_level,
        }
        code = _run(files, {name: value for name, value in chosen.items() if value is not None})
    raise typer.Exit(code)


def _run(files: list[Path], chosen: dict[str, Any]) -> int:
    """Start it; Ray and its company are imported only here, as that takes seconds."""
    from tierwise_router.serve import serve as serve_files  # noqa: PLC0415
    from tierwise_router.settings import Settings  # noqa: PLC0415

    try:
        settings = replace(Settings.from_env(), **chosen)
        return int(serve_files(files, settings))
    except TierwiseError as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(
            f"the router cannot start: {error}", fix="free the port, or choose another with --port"
        ) from error
