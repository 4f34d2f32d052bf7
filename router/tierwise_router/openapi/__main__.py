"""Write ``docs/reference/openapi.json``, or check that it is up to date.

    python -m tierwise_router.openapi [--check] DIR

DIR is the root of the repository. With ``--check`` nothing is written, and the exit status is 1
when the file differs from what the router publishes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from tierwise_router.openapi.document import document

__all__ = ["main"]

FILE: Final = Path("docs/reference/openapi.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tierwise_router.openapi", description=__doc__.splitlines()[0]
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="the repository's root")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    path: Path = options.root / FILE
    wanted = orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if not options.check:
        path.write_bytes(wanted)
        return 0
    if path.exists() and path.read_bytes() == wanted:
        return 0
    sys.stderr.write(f"{FILE} is not up to date\nFix: make generate, and commit the result.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
