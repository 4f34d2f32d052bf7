"""The Ray of one pod: a single node that nothing outside this machine can reach.

Started piece by piece instead of by ``ray.init``, for three reasons that were measured
(docs/decisions/a-small-private-ray.md): it leaves out two processes we have no use for (100 MiB),
it skips the dashboard's start (11 s), and every port is on loopback, not on the pod's address.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import structlog

from tierwise_core.errors import TierwiseError

__all__ = ["RayHost", "RayStartError", "keep_serve_private", "prepare_environment"]

log = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
OBJECT_STORE_BYTES: Final = 80 * 1024 * 1024
LOGICAL_CPUS: Final = 4
LAST_LINES: Final = 30
ATTEMPTS: Final = 3
PATIENCE_S: Final = 180.0
# Read when Ray is imported. Its handler takes SIGTERM for a crash; in the workers it may stay.
NO_CRASH_HANDLER: Final = "RAY_DISABLE_FAILURE_SIGNAL_HANDLER"
ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray takes the machine's outward address for its own unless it thinks that it is on a laptop.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    # A dispatcher's listener and its Serve replica share one event loop and one thread.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_worker_prestart": "0",
    # The workers are the router: by default Ray lets everything else of the machine go before them.
    "RAY_worker_niceness": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    # Ten looks at the replicas in a second, the default, take 4.6 % of a core; two take 1.5 %.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    # See _patience: the same for what Ray's native processes wait for.
    "RAY_agent_register_timeout_ms": "180000",
    "RAY_worker_register_timeout_seconds": "180",
}


def prepare_environment(env: MutableMapping[str, str] = os.environ) -> None:
    """Set what Ray reads while it is imported; what is set already stays.

    The token keeps other users of the machine out of Ray's ports. Unless one is given, each start
    makes its own, and nobody else ever knows it.
    """
    for name, value in ENVIRONMENT.items():
        env.setdefault(name, value)
    if not env.get("RAY_AUTH_TOKEN"):
        env["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def keep_serve_private() -> None:
    """Bind the port on which Serve's replicas call each other to loopback.

    Serve opens it on every address, without a token, and unpickles what it is sent: whoever
    reaches it can run code. Call it in a replica before Serve has opened the port. Fails when
    Serve has no such function any more, so that the hole cannot come back unseen.
    """
    replica: Any = import_module("ray.serve._private.replica")
    bind = replica.add_port_to_grpc_server

    def bind_loopback(server: Any, address: str) -> int:
        port: int = bind(server, address.replace("[::]", LOOPBACK))
        return port

    replica.add_port_to_grpc_server = bind_loopback


class RayStartError(TierwiseError):
    """Ray's processes did not come up; the machine is likely too busy."""

    reason = "RayNotStarted"


class RayHost:
    """Ray's processes on this machine, and our connection to them.

    Args:
        folder: for Ray's sessions; its path must be short, because sockets are made in it.

    Raises RayStartError.
    """

    def __init__(self, folder: Path) -> None:
        prepare_environment()
        # Blocks an import with which Ray decides whether to start the dashboard in full.
        sys.modules.setdefault("ray.dashboard.optional_deps", None)  # type: ignore[arg-type]
        os.environ[NO_CRASH_HANDLER] = "1"
        import ray  # noqa: PLC0415 - only now is the environment what it reads
        from ray._private.node import Node  # noqa: PLC0415
        from ray._private.parameter import RayParams  # noqa: PLC0415

        def parameters() -> RayParams:
            one, other, third, fourth = _free_ports(4)
            return RayParams(
                node_ip_address=LOOPBACK,
                num_cpus=LOGICAL_CPUS,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                include_log_monitor=False,  # type: ignore[arg-type]
                no_monitor=True,
                redirect_output=None,
                temp_dir=str(folder),
                # Left to the agents, the raylet waits 15 s for each to tell its port, then aborts.
                metrics_agent_port=one,
                metrics_export_port=other,
                dashboard_agent_listen_port=third,
                runtime_env_agent_port=fourth,
            )

        os.environ.pop(NO_CRASH_HANDLER, None)
        self._ray = ray
        self._node: Any = _started_node(_without_dashboard(Node), parameters)
        logging.getLogger("ray").setLevel(logging.WARNING)
        ray.init(address=self._node.gcs_address, log_to_driver=False, configure_logging=False)

    def dead_processes(self) -> list[str]:
        """Name those of Ray's processes that have ended; none of them comes back by itself."""
        return [str(kind) for kind, _process in self._node.dead_processes()]

    def last_words(self) -> str:
        """Give the end of the newest error log of a worker: why it did not start."""
        logs = Path(self._node.get_logs_dir_path())
        files = [path for path in logs.glob("worker-*.err") if path.stat().st_size]
        if not files:
            return ""
        newest = max(files, key=lambda path: path.stat().st_mtime)
        return "\n".join(newest.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def stop(self) -> None:
        """Disconnect and end every process."""
        self._ray.shutdown()
        self._node.kill_all_processes(check_alive=False, allow_graceful=True)


def _without_dashboard(kind: Any) -> Any:
    """Leave out the dashboard's own process, which even without a page takes 85 MiB."""

    class Node(kind):  # type: ignore[misc]
        def start_api_server(self, **_options: object) -> None:
            self._webui_url = ""

    return Node


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def _complaints(logs: Path) -> list[str]:
    """Find the last errors of Ray's native processes, which say more than its exceptions."""
    lines = [
        line[:300]
        for name in ("gcs_server.out", "raylet.out", "raylet.err")
        if (logs / name).exists()
        for line in (logs / name).read_text(errors="replace").splitlines()
        if " C " in line[:40] or " E " in line[:40]
    ]
    return lines[-3:]


def _started_node(kind: Any, parameters: Callable[[], Any]) -> Any:
    """Start Ray's processes, again if one of them dies: a port may have been taken meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        node = kind.__new__(kind)
        try:
            with _patience(node):
                node.__init__(parameters(), head=True, shutdown_at_exit=True, spawn_reaper=True)
        except Exception as error:  # noqa: BLE001 - Ray raises bare Exceptions
            why = _complaints(Path(node.get_logs_dir_path()))
            log.warning("Ray did not start", attempt=attempt, error=str(error), ray_says=why)
            node.kill_all_processes(check_alive=False, allow_graceful=True)
        else:
            return node
    raise RayStartError(f"Ray did not start in {ATTEMPTS} attempts; is the machine overloaded?")


@contextlib.contextmanager
def _patience(node: Any) -> Iterator[None]:
    """Let Ray's processes take their time to find each other, as long as they live.

    Ray gives them 30 s, a constant in the middle of its code. On a node where a dozen engines load
    their weights that is not enough, and starting again takes as long each time.
    """
    services: Any = import_module("ray._private.services")
    get_node = services.get_node
    deadline = time.monotonic() + PATIENCE_S

    def get_node_patiently(*arguments: Any) -> Any:
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError as error:
                if time.monotonic() > deadline or node.dead_processes():
                    raise
                log.info("waiting for Ray's processes", error=str(error))
                time.sleep(1.0)

    services.get_node = get_node_patiently
    try:
        yield
    finally:
        services.get_node = get_node
