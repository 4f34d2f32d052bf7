"""`tierwise ledger`: run one on this machine, look at one, and erase what a tenant left in it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from tierwise_cli.cluster import Access
from tierwise_cli.errors import CliError, LedgerError
from tierwise_cli.extras import need_extra
from tierwise_cli.ledgers import LedgerUrl, ledger
from tierwise_cli.options import Context, Kubeconfig, Namespace, Output, OutputOption, examples
from tierwise_cli.printing import page, plain_table, print_json, reported
from tierwise_core.errors import TierwiseError

__all__ = ["bookkeeping"]

EXAMPLES = examples("tierwise ledger serve", "tierwise ledger status")
EXAMPLES_OF_SERVE = examples(
    "tierwise ledger serve",
    "tierwise ledger serve --database postgresql://ledger:secret@db/ledger",
    "TIERWISE_LEDGER_URL=http://127.0.0.1:8090 tierwise serve examples/laptop/routes.yaml",
)
EXAMPLES_OF_MIGRATE = examples(
    "tierwise ledger migrate --database postgresql://ledger:secret@db/ledger"
)
EXAMPLES_OF_STATUS = examples(
    "tierwise ledger status", "tierwise ledger status --ledger http://127.0.0.1:8090 -o json"
)
EXAMPLES_OF_ERASE = examples(
    "tierwise ledger erase demo/team-a --yes",
    "tierwise ledger erase demo/team-a --contents-only --yes",
)
_LAPTOP_HOST = "127.0.0.1"
_NEEDED = ("sqlalchemy", "alembic", "starlette", "uvicorn")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024

bookkeeping = typer.Typer(
    no_args_is_help=True, help="The ledger: what happened, and its cost.", epilog=EXAMPLES
)

Database = Annotated[
    str | None,
    typer.Option(
        help="sqlite:////PATH/ledger.db or postgresql://USER:PASSWORD@HOST/NAME; by default "
        "TIERWISE_LEDGER_DATABASE, else a file in ~/.local/state/tierwise.",
        metavar="URL",
    ),
]


@bookkeeping.command(epilog=EXAMPLES_OF_SERVE)
def serve(
    database: Database = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on; by default this machine only.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="By default 8090.")] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            help="The journal of a router on this machine (its TIERWISE_JOURNAL_DIR), to be read "
            "here; a router with TIERWISE_LEDGER_URL sends it by itself.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
) -> None:
    """Run the ledger on this machine, until Ctrl-C."""
    with reported(Output.TEXT):
        need_extra("ledger", "the ledger", _NEEDED)
        code = _serve(database, host, port, journal)
    raise typer.Exit(code)


@bookkeeping.command(epilog=EXAMPLES_OF_MIGRATE)
def migrate(database: Database = None, output: OutputOption = Output.TEXT) -> None:
    """Bring a database's tables to this version; a ledger does it by itself when it starts."""
    with reported(output):
        need_extra("ledger", "the ledger", _NEEDED)
        told = _migrate(database)
        if output is Output.JSON:
            print_json(told)
        else:
            typer.echo(f"{told['database']}: version {told['tables']}")


@bookkeeping.command(epilog=EXAMPLES_OF_STATUS)
def status(
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Tell what the ledger is and holds."""
    with reported(output):
        with ledger(url, Access(kubeconfig, context), namespace) as client:
            told = client.get("/v1/status")
            where = client.where
        if output is Output.JSON:
            print_json(told)
        else:
            _print_status(told, where)


@bookkeeping.command(epilog=EXAMPLES_OF_ERASE)
def erase(  # noqa: PLR0913, PLR0917 - the options of a command
    tenant: Annotated[str, typer.Argument(help="Whose: NAMESPACE/NAME.", metavar="TENANT")],
    contents_only: Annotated[
        bool, typer.Option("--contents-only", help="Prompts and answers; outcomes stay.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: LedgerUrl = None,
    output: OutputOption = Output.TEXT,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    namespace: Namespace = "tierwise-system",
) -> None:
    """Erase what a tenant left: single outcomes, feedback, prompts and answers. Sums stay."""
    with reported(output):
        if not yes and not typer.confirm(f"Erase what {tenant} left in the ledger?"):
            raise CliError("nothing was erased", fix="--yes does it without asking")
        with ledger(url, Access(kubeconfig, context), namespace) as client:
            told = client.delete(f"/v1/tenants/{tenant}", contents_only=contents_only)
        if output is Output.JSON:
            print_json(told)
        else:
            typer.echo(
                f"{tenant}: {told['outcomes']} outcomes and {told['contents']} contents erased"
            )


def _settings(database: str | None) -> Any:
    from tierwise_ledger.settings import Settings  # noqa: PLC0415 - its company takes a second

    settings = Settings.from_env()
    if database:
        return replace(settings, database=database)
    if os.environ.get("TIERWISE_LEDGER_DATABASE"):
        return settings
    folder = _state_dir()
    folder.mkdir(parents=True, exist_ok=True)
    return replace(settings, database=f"sqlite:///{folder}/ledger.db")


def _state_dir() -> Path:
    """Where a user's programs keep what must outlive them."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "tierwise" / "ledger"


def _serve(database: str | None, host: str | None, port: int | None, journal: Path | None) -> int:
    from tierwise_ledger.serving import configure_logs  # noqa: PLC0415
    from tierwise_ledger.serving import serve as run  # noqa: PLC0415

    try:
        settings = _settings(database)
        settings = replace(
            settings,
            host=host or os.environ.get("TIERWISE_LEDGER_HOST") or _LAPTOP_HOST,
            port=port or settings.port,
        )
        configure_logs(settings.log_level)
        return int(run(settings, on_ready=lambda: _greet(settings, journal)))
    except TierwiseError as error:
        raise CliError(str(error)) from error


def _greet(settings: Any, journal: Path | None) -> None:
    url = f"http://{settings.host}:{settings.port}"
    typer.echo(f"the ledger answers at {url}, and keeps {_shown(settings.database)}")
    if journal is None:
        typer.echo(
            f"\n  TIERWISE_LEDGER_URL={url} tierwise serve FILE     routers send it outcomes"
        )
    else:
        _read(journal, url)
    typer.echo(f"  tierwise ledger status --ledger {url}\n\nCtrl-C stops it.")


def _read(journal: Path, url: str) -> None:
    """Ship a router's journal from here, as the router's pod would."""
    from tierwise_router.shipping import LedgerAddress, Shipper  # noqa: PLC0415

    Shipper(journal, LedgerAddress(url, os.environ.get("TIERWISE_LEDGER_TOKEN_FILE", ""))).start()


def _migrate(database: str | None) -> dict[str, Any]:
    from tierwise_ledger.service.status import status_of  # noqa: PLC0415
    from tierwise_ledger.store import Store  # noqa: PLC0415

    try:
        settings = _settings(database)
        store = Store.open(settings.database)
        told = dict(status_of(store))
        store.close()
    except TierwiseError as error:
        raise LedgerError(
            str(error), fix="check --database, and that its server is there"
        ) from error
    return told | {"database": _shown(settings.database)}


def _shown(database: str) -> str:
    """A database's address without its password.

    >>> _shown("postgresql://ledger:secret@db/ledger")
    'postgresql://ledger:***@db/ledger'
    """
    from sqlalchemy.engine import make_url  # noqa: PLC0415

    return make_url(database).render_as_string(hide_password=True)


def _print_status(told: dict[str, Any], where: str) -> None:
    table = plain_table("", "")
    table.show_header = False
    for name, value in (
        ("ledger", f"{told['id']} {where}"),
        ("database", f"{told['database']}, tables {told['tables']}, {_size(told['bytes'])}"),
        ("requests", f"{told['requests']:,} since {_when(told['since'])}"),
        ("cost", f"{told['cost_usd']:.4f} USD"),
        ("outcomes", f"{_when(told['oldest_outcome_at'])} to {_when(told['newest_outcome_at'])}"),
    ):
        table.add_row(name, escape(value))
    page().print(table)


def _when(at: float | None) -> str:
    """An instant for people.

    >>> _when(1_750_000_000.0), _when(None)
    ('2025-06-15 15:06 UTC', 'none yet')
    """
    if at is None:
        return "none yet"
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _size(size: float) -> str:
    """A number of bytes for people.

    >>> _size(512), _size(3 * 1024 * 1024)
    ('512 B', '3.0 MiB')
    """
    if size < _STEP:
        return f"{size} B"
    power = 0
    while size >= _STEP and power < len(_UNITS) - 1:
        size, power = size / _STEP, power + 1
    return f"{size:.1f} {_UNITS[power]}"
