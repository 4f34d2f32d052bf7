"""A browser for the tests of the ledger's page: the system's Chromium, else apt's.

``python -m browser`` has it ready and says where it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from localcluster.console import say, step
from localcluster.locks import locked
from localcluster.paths import cache_root
from localcluster.shell import run

__all__ = ["NAMES", "ensure", "found"]

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def found() -> Path | None:
    """Give the system's browser; None where it has none."""
    paths = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in paths if path), None)


def ensure() -> Path:
    """Give the browser; where the system has none, apt installs Chromium, once."""
    if (path := found()) is not None:
        return path
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit(
            f"no browser on PATH ({', '.join(NAMES)}). Fix: install Chromium, for example "
            "apt-get install chromium"
        )
    with locked(cache_root() / "browser"):
        if found() is None:
            _install()
    path = found()
    if path is None:
        raise SystemExit("apt installed chromium, but no chromium is on PATH")
    return path


def _install() -> None:
    say("-> missing on this machine, installed now by apt: chromium")
    with step("apt-get update"):
        run(["apt-get", "update", "-q"])
    with step("apt-get install chromium"):
        run(
            [
                "apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium",
                "fonts-dejavu-core",
            ]
        )  # fmt: skip
