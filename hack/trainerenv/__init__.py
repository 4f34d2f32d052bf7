"""The environment of the export tests: `datasets` and TRL, on top of the engine's PyTorch.

PyTorch and transformers are half a gigabyte that the engine's environment has already. This one
adds the few packages that are missing there, from a hash-locked list, and finds the rest in it.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from localcluster import engine
from localcluster.console import step
from localcluster.locks import locked
from localcluster.paths import REPOSITORY, cache_root
from localcluster.shell import run

__all__ = ["ensure"]

REQUIREMENTS = REPOSITORY / "requirements" / "trainers.txt"
COMPLETE = ".complete"


def ensure() -> Path:
    """Make the environment unless it is there, 0.3 GB; return its interpreter."""
    base = engine.ensure()
    digest = hashlib.sha256(f"{base}".encode() + REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = cache_root() / "trainers" / digest
    if not (folder / COMPLETE).exists():
        with step("the export tests' environment, 0.3 GB"), locked(folder.parent):
            if not (folder / COMPLETE).exists():
                _build(folder, base)
    return folder / "bin" / "python"


def _build(folder: Path, base: Path) -> None:
    uv = cache_root() / "uv" / "bin" / "uv"
    shutil.rmtree(folder, ignore_errors=True)
    run([uv, "venv", "--quiet", "--python", (base / "bin" / "python").resolve(), folder])
    flags = ("--no-deps", "--require-hashes", "--quiet")
    into = ("--python", folder / "bin" / "python")
    run([uv, "pip", "install", *into, *flags, "--requirement", REQUIREMENTS])
    ours, theirs = (_packages(home) for home in (folder, base))
    (ours / "engine.pth").write_text(f"{theirs}\n")
    (folder / COMPLETE).touch()


def _packages(home: Path) -> Path:
    (found,) = home.glob("lib/python3.*/site-packages")
    return found
