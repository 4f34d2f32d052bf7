"""The environment of the client tests: what drives the router as its users do.

The official clients pull in far more than the project itself needs, and must not hold its own
versions back. So they live in an environment of their own: a Python one from hash-locked
requirements, which brings Node.js as well, and beside it the JavaScript packages of a lock file.
It is made once, cached by what it is made of, and needs no package of the system.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster.console import step
from localcluster.locks import locked
from localcluster.paths import REPOSITORY, cache_root
from localcluster.shell import run

__all__ = ["ClientEnvironment", "ensure"]

REQUIREMENTS = REPOSITORY / "requirements" / "clients.txt"
JAVASCRIPT = REPOSITORY / "tests" / "clients" / "js"
PACKAGES = (JAVASCRIPT / "package.json", JAVASCRIPT / "package-lock.json")
COMPLETE = ".complete"


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """Where the programs of the client tests lie."""

    folder: Path

    @property
    def programs(self) -> Path:
        """The folder of the programs: python, node, npm, litellm, schemathesis."""
        return self.folder / "python" / "bin"

    @property
    def python(self) -> Path:
        """The interpreter that has the Python clients."""
        return self.programs / "python"

    @property
    def node(self) -> Path:
        """The interpreter of the JavaScript client."""
        return self.programs / "node"

    @property
    def javascript(self) -> Path:
        """The folder with ``node_modules``: scripts that import from it must lie in it."""
        return self.folder / "js"

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return (self.folder / COMPLETE).exists()


def ensure() -> ClientEnvironment:
    """Make the environment unless it is there; 0.6 GB and about ten seconds of work."""
    environment = ClientEnvironment(cache_root() / "clients" / _digest())
    if environment.complete:
        return environment
    with step("the client tests' environment, 0.6 GB"), locked(environment.folder.parent):
        if not environment.complete:
            _build(environment)
    return environment


def _digest() -> str:
    """What the environment is made of, in twelve letters."""
    digest = hashlib.sha256(f"{sys.base_prefix} {sys.version}".encode())
    for file in (REQUIREMENTS, *PACKAGES):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _build(environment: ClientEnvironment) -> None:
    shutil.rmtree(environment.folder, ignore_errors=True)
    home = environment.programs.parent
    run([_uv(), "venv", "--quiet", "--python", Path(sys.executable).resolve(), home])
    into = ("--python", environment.python)
    flags = ("--no-deps", "--require-hashes", "--quiet")
    run([_uv(), "pip", "install", *into, *flags, "--requirement", REQUIREMENTS])
    environment.javascript.mkdir()
    for file in PACKAGES:
        shutil.copy(file, environment.javascript)
    run(
        [environment.programs / "npm", "ci", "--no-audit", "--no-fund"],
        cwd=environment.javascript,
        env=_with_node(environment),
    )
    (environment.folder / COMPLETE).touch()


def _with_node(environment: ClientEnvironment) -> Mapping[str, str]:
    """Let npm find the Node.js that belongs to it."""
    return {"PATH": f"{environment.programs}{os.pathsep}{os.environ.get('PATH', '')}"}


def _uv() -> Path:
    return cache_root() / "uv" / "bin" / "uv"
