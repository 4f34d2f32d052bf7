"""The entry point of a router pod: ``python -m tierwise_router --kubernetes``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

import structlog

from tierwise_core.errors import TierwiseError
from tierwise_router.logs import Logs
from tierwise_router.replica import SourceChoice
from tierwise_router.settings import Settings, SettingsError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a router in the foreground; returns the exit code."""
    try:
        defaults = Settings.from_env()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    options = _parser(defaults).parse_args(arguments)
    settings = replace(
        defaults,
        port=options.port,
        health_port=options.health_port,
        secrets_dir=options.secrets_dir,
    )
    logs = Logs(level=settings.log_level)
    logs.configure()
    choice = SourceChoice(tuple(options.file), options.namespace, settings.policy)
    return _run(settings, choice, logs)


def _run(settings: Settings, choice: SourceChoice, logs: Logs) -> int:
    from tierwise_router.pod import Stop, run_pod  # noqa: PLC0415 - --help needs no Ray

    stop = Stop()
    stop.listen()
    log = structlog.get_logger(__name__)
    try:
        return run_pod(settings, choice, logs, stop=stop)
    except (TierwiseError, OSError) as error:
        log.error("router failed", error=str(error))  # noqa: TRY400 - the message says it all
        return 1
    except (KeyboardInterrupt, SystemExit):  # SystemExit: Ray's own handler, while it starts
        log.info("stopped before it was running")
        return 0


def _parser(defaults: Settings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tierwise_router",
        description="Route OpenAI requests to the Specialists of a cluster, or of some files.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--kubernetes", action="store_true", help="follow the cluster's Specialists and GPUTiers"
    )
    source.add_argument(
        "--file", action="append", default=[], metavar="FILE", help="read them from YAML instead"
    )
    parser.add_argument("--namespace", default="", help="only Specialists of this one (all)")
    parser.add_argument("--port", type=int, default=defaults.port, help="for clients (%(default)s)")
    parser.add_argument(
        "--health-port",
        type=int,
        default=defaults.health_port,
        help="for the liveness probe; 0 for none (%(default)s)",
    )
    parser.add_argument(
        "--secrets-dir",
        default=defaults.secrets_dir,
        help="API keys of external Specialists, as <name>/<key> (%(default)s)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
