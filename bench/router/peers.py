"""What the bench needs: wrk and nginx by apt, the peers in an environment of their own.

LiteLLM alone pulls in more than a hundred packages and must not hold the project's versions back.
The environment is made once from hash-locked requirements, and made anew when they change.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from localcluster.console import say, step
from localcluster.locks import locked
from localcluster.paths import REPOSITORY, cache_root
from localcluster.shell import run

__all__ = ["ensure_peers", "ensure_programs"]

REQUIREMENTS = REPOSITORY / "requirements" / "bench-peers.txt"
PACKAGES = {"wrk": "wrk", "nginx": "nginx-light"}
COMPLETE = ".complete"


def ensure_programs() -> None:
    """Install what is missing of wrk and nginx; exits with the command where that cannot be."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
    if os.geteuid() or not shutil.which("apt-get"):
        raise SystemExit(f"missing: {', '.join(missing)}. Fix: sudo {' '.join(command)}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"apt-get install {' '.join(missing)}"):
        run(["apt-get", "update", "-q"], env=quiet)
        run(command, env=quiet)


def ensure_peers() -> Path:
    """Give the folder with vllm-router, litellm and py-spy, made if it is not there yet."""
    folder = cache_root() / "bench-peers" / _digest()
    if not (folder / COMPLETE).exists():
        say("-> the peers: vllm-router and litellm[proxy], about 0.8 GB, once")
        with step("the peers' environment"), locked(folder.parent):
            _build(folder)
    return folder / "bin"


def _digest() -> str:
    digest = hashlib.sha256(f"{sys.base_prefix} {sys.version}".encode())
    digest.update(REQUIREMENTS.read_bytes())
    return digest.hexdigest()[:12]


def _build(folder: Path) -> None:
    uv = cache_root() / "uv" / "bin" / "uv"
    shutil.rmtree(folder, ignore_errors=True)
    run([str(uv), "venv", "--quiet", "--python", sys.executable, str(folder)])
    python = str(folder / "bin" / "python")
    sync = [str(uv), "pip", "sync", "--quiet", "--python", python, "--require-hashes"]
    run([*sync, str(REQUIREMENTS)])
    (folder / COMPLETE).touch()
