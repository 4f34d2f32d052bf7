"""What to install where a command needs libraries that only an extra brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from tierwise_cli.errors import CliError

__all__ = ["need_extra"]


def need_extra(
    extra: str, what: str, libraries: Sequence[str], find: Callable[[str], object] = find_spec
) -> None:
    """Raise CliError, which says what to install, where libraries that ``what`` uses are missing.

    >>> need_extra("ledger", "the ledger", ["json"])
    >>> need_extra("ledger", "the ledger", ["json", "sqlalchemy"], {"json": True}.get)
    Traceback (most recent call last):
        ...
    tierwise_cli.errors.CliError: the ledger needs sqlalchemy, which the extra [ledger] brings
    """
    missing = [name for name in libraries if find(name) is None]
    if missing:
        raise CliError(
            f"{what} needs {', '.join(missing)}, which the extra [{extra}] brings",
            fix=f"pip install 'tierwise[{extra},cli]'",
        )
