"""Write what is generated from the models, or check that it is up to date.

    python -m tierwise_api.generate [--check] DIR

writes ``crds/``, the chart's copy in ``charts/tierwise/crds/`` and ``docs/reference/api.md`` below
DIR, the root of the repository. With ``--check`` it prints what differs and exits with 1.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tierwise_api import KINDS
from tierwise_api.crd import custom_resource_definition, to_yaml
from tierwise_api.reference import reference

__all__ = ["generated_files", "main", "stale"]

_CRD_FOLDERS = ("crds", "charts/tierwise/crds")
_SHOWN_LINES = 12


def generated_files() -> dict[str, str]:
    """Every generated file: its path below the repository's root, and its text.

    >>> sorted(generated_files())[-2:]
    ['crds/tenants.yaml', 'docs/reference/api.md']
    """
    definitions = {
        f"{kind.names.plural}.yaml": to_yaml(custom_resource_definition(kind)) for kind in KINDS
    }
    crds = {
        f"{folder}/{name}": text for folder in _CRD_FOLDERS for name, text in definitions.items()
    }
    return crds | {"docs/reference/api.md": reference()}


def stale(root: Path, files: Mapping[str, str]) -> Iterator[str]:
    """What differs on disk, a few lines for each file."""
    for name, wanted in files.items():
        path = root / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != wanted:
            yield _difference(name, present, wanted)
    for folder in _CRD_FOLDERS:
        for path in sorted((root / folder).glob("*.yaml")):
            name = f"{folder}/{path.name}"
            if name not in files:
                yield f"{name}: no model generates it any more: remove it"


def _difference(name: str, present: str, wanted: str) -> str:
    if not present:
        return f"{name}: missing"
    lines = difflib.unified_diff(
        present.splitlines(), wanted.splitlines(), "on disk", "generated", lineterm="", n=1
    )
    shown = list(lines)[2:]
    more = [f"... {len(shown) - _SHOWN_LINES} more lines"] if len(shown) > _SHOWN_LINES else []
    return "\n".join([f"{name}: differs", *shown[:_SHOWN_LINES], *more])


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 1 when ``--check`` found something stale."""
    parser = argparse.ArgumentParser(prog="python -m tierwise_api.generate", description=__doc__)
    parser.add_argument("root", type=Path, metavar="DIR", help="the repository's root")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    options = parser.parse_args(arguments)
    files = generated_files()
    if not options.check:
        _write(options.root, files)
        return 0
    differences = list(stale(options.root, files))
    if differences:
        sys.stderr.write("\n".join([*differences, "Fix: make generate, and commit the result.\n"]))
    return int(bool(differences))


if __name__ == "__main__":
    sys.exit(main())
