"""The router on a laptop: ``tierwise serve FILE`` without a cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tierwise_core.route_table import AUTO_MODEL, RouteTable
from tierwise_router.logs import Logs
from tierwise_router.replica import SourceChoice
from tierwise_router.settings import Settings
from tierwise_router.sources.files import read_resources
from tierwise_router.table import build_table

__all__ = ["serve"]

DRAIN_S = 10.0
LAPTOP_HOST = "127.0.0.1"


def serve(files: Sequence[str | Path], settings: Settings | None = None) -> int:
    """Route requests to the Specialists of some files until Ctrl-C; returns the exit code.

    The files are the resources themselves (GPUTier, Specialist), read again when they change.
    API keys of external Specialists are ``<secrets_dir>/<secretRef.name>/<key>``.

    Raises ResourceFileError for a file that cannot be read, and PodError or OSError when the
    router cannot start.
    """
    names = tuple(str(Path(name).resolve()) for name in files)
    policy = (settings or Settings()).policy
    table, problems = build_table(read_resources([Path(name) for name in names]), policy=policy)
    for problem in problems:
        sys.stderr.write(f"warning: {problem}\n")
    chosen = settings or Settings(host=LAPTOP_HOST)
    # Nobody keeps a list of addresses to be taken off, and nobody waits minutes after Ctrl-C.
    chosen = replace(
        chosen,
        health_port=0,
        secrets_dir=str(Path(chosen.secrets_dir).resolve()),
        files_dir=str(Path(chosen.files_dir).resolve()) if chosen.files_dir else _state_dir(),
        withdraw_s=0.0,
        drain_s=min(chosen.drain_s, DRAIN_S),
    )
    return _run(chosen, names, table)


def _state_dir() -> str:
    """Where a user's programs keep what must outlive them."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return str(Path(home) / "tierwise" / "files")


def _run(settings: Settings, names: tuple[str, ...], table: RouteTable) -> int:
    from tierwise_router.pod import Pod, Stop, run_pod  # noqa: PLC0415 - checks need no Ray

    def ready(pod: Pod) -> None:
        _say(_greeting(pod.settings, table))

    logs = Logs(level=settings.log_level, pretty=True)
    logs.configure()
    stop = Stop()
    stop.listen()
    _say(f"starting a router for {len(table.routes)} Specialists; Ray takes about 15 s ...")
    try:
        return run_pod(
            settings, SourceChoice(names, policy=settings.policy), logs, stop=stop, on_ready=ready
        )
    except (KeyboardInterrupt, SystemExit):  # SystemExit: Ray's own handler, while it starts
        return 0
    finally:
        _say("stopped")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _greeting(settings: Settings, table: RouteTable) -> str:
    url = f"http://{settings.host}:{settings.port}"
    body = f'{{"model": "{AUTO_MODEL}", "messages": [{{"role": "user", "content": "sort dbca"}}]}}'
    lines = [
        f"tierwise serves {', '.join(table.model_names())} at {url}/v1",
        "",
        f"  curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'",
        f'  tierwise ask "sort dbca" --url {url}',
        "",
        "Changes to the files take effect at once. Ctrl-C stops it.",
    ]
    return "\n".join(lines)
