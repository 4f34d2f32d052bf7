"""One router: starts Ray, its watcher and its dispatchers, minds them, and ends in order."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Any

import structlog

from tierwise_core.errors import TierwiseError
from tierwise_router.dispatcher import Phase
from tierwise_router.health import HealthServer, Pulse
from tierwise_router.listener import claim_port
from tierwise_router.logs import LogCollector, Logs
from tierwise_router.rayhost import RayHost
from tierwise_router.replica import DispatcherReplica, SourceChoice, WatchActor
from tierwise_router.rundir import run_dir
from tierwise_router.settings import Settings
from tierwise_router.shipping import LedgerAddress
from tierwise_router.spool import own_folder
from tierwise_router.watch import DRAINED

__all__ = ["Pod", "PodError", "Stop", "run_pod", "shipping_s"]

log = structlog.get_logger(__name__)

APPLICATION = "tierwise"
TICK_S = 0.5
PULSE_EVERY_S = 5.0
ANSWER_S = 10.0
OVERTIME_S = 3.0
SHIP_S = 5.0


class PodError(TierwiseError):
    """The router could not start, or a part of it that nothing restarts has died."""

    reason = "RouterFailed"


class Stop:
    """Turns SIGTERM and SIGINT into an orderly end; the second one ends at once.

    While ``interrupts`` is set a signal raises KeyboardInterrupt: the start is many seconds of
    other people's code, and nobody waits for it to look at a flag.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.interrupts = True

    def listen(self) -> None:
        """Take the signals over; call it in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self.interrupts or self.asked.is_set():
            self.asked.set()
            raise KeyboardInterrupt
        self.asked.set()


@dataclass(frozen=True, slots=True)
class Pod:
    """What is running: Ray, the watcher's handle and the settings with the port that was taken."""

    ray_host: RayHost
    watch: Any
    settings: Settings


def run_pod(
    settings: Settings,
    choice: SourceChoice,
    logs: Logs,
    *,
    stop: Stop,
    on_ready: Callable[[Pod], None] = lambda _pod: None,
) -> int:
    """Run a router until ``stop``, then drain it; returns the exit code.

    Raises PodError when it cannot start or when Ray dies, so that whoever started us (kubelet)
    can start us again.
    """
    pulse = Pulse()
    with contextlib.ExitStack() as stack:
        claimed = stack.enter_context(claim_port(settings.host, settings.port))
        settings = replace(settings, port=claimed.getsockname()[1])
        if settings.health_port:
            stack.enter_context(HealthServer(settings.host, settings.health_port, pulse))
        folder = stack.enter_context(run_dir())
        settings = replace(settings, journal_dir=stack.enter_context(_journal(settings, folder)))
        collector = stack.enter_context(LogCollector(folder))
        pod = stack.enter_context(
            _started(settings, choice, replace(logs, collector=collector.path), folder)
        )
        stop.listen()  # Ray has put handlers of its own in the place of ours
        stop.interrupts = False
        stack.enter_context(_beating(pulse, pod))
        on_ready(pod)
        _mind(pod, stop)
        _drain(pod)
    return 0


@contextlib.contextmanager
def _journal(settings: Settings, folder: Path) -> Iterator[str]:
    """Give the directory that outcomes are written to, and hold it where it is on a shared volume.

    Raises PodError for a volume that is of no use.
    """
    if not settings.spool_dir:
        yield settings.journal_dir or str(folder / "journal")
        return
    with contextlib.ExitStack() as held:
        try:
            own = held.enter_context(own_folder(Path(settings.spool_dir), gethostname()))
        except OSError as error:
            raise PodError(
                f"TIERWISE_SPOOL_DIR is {settings.spool_dir!r}: {error.strerror}; give a folder "
                "that this user may write to, on a file system with locks"
            ) from error
        yield str(own)


@contextlib.contextmanager
def _started(settings: Settings, choice: SourceChoice, logs: Logs, folder: Path) -> Iterator[Pod]:
    began_at = time.monotonic()
    log.info("starting Ray")
    host = RayHost(folder)
    try:
        watch = _deploy(host, settings, choice, logs, folder)
        took_s = round(time.monotonic() - began_at, 1)
        log.info("router running", port=settings.port, started_in_s=took_s)
        yield Pod(host, watch, settings)
    finally:
        host.stop()


def _deploy(
    host: RayHost, settings: Settings, choice: SourceChoice, logs: Logs, folder: Path
) -> Any:
    import ray  # noqa: PLC0415 - RayHost has prepared what it reads while it is imported
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    log.info("starting Serve", dispatchers=settings.dispatchers)
    actor: Any = ray.remote(WatchActor)
    watch = actor.options(num_cpus=0, max_restarts=-1, max_concurrency=1000).remote(
        choice, logs, settings.journal_dir, _ledger(settings), inherits=bool(settings.spool_dir)
    )
    serve.start(proxy_location="Disabled")
    deployment: Any = serve.deployment(
        name="dispatcher",
        num_replicas=settings.dispatchers,
        user_config={"port": settings.port},
        ray_actor_options={"num_cpus": 0},
        health_check_period_s=2,
        health_check_timeout_s=10,
    )(DispatcherReplica)
    application = deployment.bind(watch, settings, str(folder), logs)
    try:
        serve.run(application, name=APPLICATION, route_prefix=None)
    except RuntimeError as error:
        raise PodError(f"the dispatchers did not start: {error}\n{host.last_words()}") from error
    return watch


def _ledger(settings: Settings) -> LedgerAddress | None:
    if not settings.ledger_url:
        return None
    return LedgerAddress(settings.ledger_url, settings.ledger_token_file)


@contextlib.contextmanager
def _beating(pulse: Pulse, pod: Pod) -> Iterator[None]:
    """Ask Ray and Serve for a sign of life every few seconds, from a thread that may hang."""
    ended = threading.Event()

    def beat() -> None:
        import ray  # noqa: PLC0415 - see _deploy
        from ray import serve  # noqa: PLC0415

        while not ended.wait(PULSE_EVERY_S):
            try:
                ray.get(pod.watch.table_version.remote(), timeout=ANSWER_S)
                state = serve.status().applications[APPLICATION]
            except Exception as error:  # noqa: BLE001 - any failure is a missed beat
                log.warning("no sign of life from Ray", error=str(error))
                continue
            pulse.beat()
            for name, deployment in state.deployments.items():
                if deployment.status not in {"HEALTHY", "UPDATING"}:
                    log.warning("deployment", name=name, detail=deployment.message)

    pulse.beat()
    threading.Thread(target=beat, name="pulse", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _mind(pod: Pod, stop: Stop) -> None:
    """Wait until we are asked to stop; raises PodError when one of Ray's processes has ended."""
    while not stop.asked.wait(TICK_S):
        if dead := pod.ray_host.dead_processes():
            raise PodError(f"Ray's {', '.join(dead)} ended; nothing repairs that but a new start")


def _drain(pod: Pod) -> None:
    import ray  # noqa: PLC0415 - see _deploy

    settings = pod.settings
    log.info("stopping: not ready any more", withdraw_s=settings.withdraw_s)
    ray.get(pod.watch.set_phase.remote(Phase.WITHDRAW), timeout=ANSWER_S)
    time.sleep(settings.withdraw_s)
    log.info("draining", drain_s=settings.drain_s)
    ray.get(pod.watch.set_phase.remote(Phase.DRAIN), timeout=ANSWER_S)
    deadline = time.monotonic() + settings.drain_s + OVERTIME_S
    while left := _undrained(pod):
        if time.monotonic() > deadline:
            log.warning("requests were cut: they outlasted the drain", dispatchers=left)
            break
        time.sleep(0.1)
    within_s = shipping_s(settings, deadline - OVERTIME_S - time.monotonic())
    log.info("drained", ships_for_s=round(within_s))
    if settings.ledger_url and not ray.get(
        pod.watch.ship_rest.remote(within_s), timeout=within_s + ANSWER_S
    ):
        log.warning("the ledger does not have all outcomes of this pod", within_s=within_s)


def shipping_s(settings: Settings, left_s: float) -> float:
    """Tell how long a pod that has drained waits for a ledger that is away: what is left to it.

    The pod has no other use for that time, and nobody waits for it. Where a volume keeps what it
    wrote, another pod ships it.

    >>> shipping_s(Settings(), 590.0), shipping_s(Settings(), -1.0)
    (590.0, 5.0)
    >>> shipping_s(Settings(spool_dir="/spool"), 590.0)
    5.0
    """
    return SHIP_S if settings.spool_dir else max(SHIP_S, left_s)


def _undrained(pod: Pod) -> list[int]:
    import ray  # noqa: PLC0415 - see _deploy

    members = ray.get(pod.watch.members.remote(), timeout=ANSWER_S)
    return [process for process, state in members.items() if state != DRAINED and _lives(process)]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True
