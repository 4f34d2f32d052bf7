"""The desk of a dispatcher: finds who answers a path, for which tenant."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.crew import Crew
from tierwise_router.batches.job import JobStore
from tierwise_router.batches.lease import Watchman
from tierwise_router.batches.lines import Asker
from tierwise_router.batches.runner import Bench
from tierwise_router.batches.slots import Slots
from tierwise_router.call import RESPONSES, Call
from tierwise_router.decision import Decision
from tierwise_router.desk.background_paths import BackgroundPaths
from tierwise_router.desk.batch_paths import BatchPaths
from tierwise_router.desk.file_paths import FilePaths
from tierwise_router.dispatcher import Dispatcher, Phase
from tierwise_router.errors import ErrorAnswer, RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.files.disk import Disk
from tierwise_router.files.store import FileStore
from tierwise_router.inside import AsgiApp

__all__ = ["Desk"]

Handler = Callable[..., Awaitable[None]]
DEFAULT_POLICY: Final = BatchPolicy()
ONE, ALL = True, False
SERVED: Final = (
    ("POST", "files", ALL, ""), ("GET", "files", ALL, ""), ("GET", "files", ONE, ""),
    ("GET", "files", ONE, "content"), ("DELETE", "files", ONE, ""),
    ("POST", "batches", ALL, ""), ("GET", "batches", ALL, ""), ("GET", "batches", ONE, ""),
    ("POST", "batches", ONE, "cancel"),
    ("GET", "background", ALL, ""), ("GET", "background", ONE, ""),
    ("POST", "background", ONE, "cancel"), ("DELETE", "background", ONE, ""),
    ("GET", "responses", ONE, ""), ("POST", "responses", ONE, "cancel"),
    ("DELETE", "responses", ONE, ""),
)  # fmt: skip
"""Method, kind, whether one thing is named, and what is done with it."""
KNOWN: Final = re.compile(r"/v1/(files|batches|background|responses)(?:/([^/]+))?(?:/([^/]+))?/?")


class Desk:
    """Keeps work for clients who do not wait.

    Args:
        dispatcher: whose policy and phase count.
        app: answers the requests of batches.
        disk: how files are written.
    """

    def __init__(self, dispatcher: Dispatcher, app: AsgiApp, disk: Disk | None = None) -> None:
        self._dispatcher = dispatcher
        self._app = app
        self._disk = disk or Disk()
        self._crew: Crew | None = None
        self._paths: dict[tuple[str, str, bool, str], Handler] = {}
        self._background: BackgroundPaths | None = None

    @property
    def open(self) -> bool:
        """Tell whether there is a directory to keep work in."""
        return bool(self._dispatcher.settings.files_dir)

    def start(self, watchman: Watchman | None = None) -> None:
        """Get ready to answer; does nothing where there is no directory."""
        if self.open and self._crew is None:
            self._set_up(Path(self._dispatcher.settings.files_dir), watchman)

    async def run(self) -> None:
        """Work on jobs until cancelled."""
        self.start()
        if self._crew is not None:
            await self._crew.run()

    @staticmethod
    def served() -> set[tuple[str, str]]:
        """Tell what is served, as (method, path template)."""
        return {
            (method.lower(), "/".join(filter(None, ("/v1", kind, "{id}" if one else "", verb))))
            for method, kind, one, verb in SERVED
        }

    @staticmethod
    def knows(path: str) -> bool:
        """Tell whether a path is one of the desk's."""
        return KNOWN.fullmatch(path) is not None

    async def answer(self, exchange: Exchange) -> None:
        """Answer a request for one of the desk's paths; raises what goes wrong."""
        found = KNOWN.fullmatch(exchange.path)
        kind, name, verb = found.groups() if found else ("", None, None)
        method = exchange.method
        wanted = "GET" if method == "HEAD" else method
        called = (wanted, kind, name is not None, verb or "")
        if called not in SERVED:
            await self._refuse(exchange, kind, named=name is not None, verb=verb or "")
            return
        tenant = self._dispatcher.admission.identify(exchange).tenant_key
        self.start()
        if not self._paths:
            raise _closed()
        handler = self._paths[called]
        with exchange.watch() if wanted == "GET" else _Unwatched():
            await (handler(exchange, tenant, name) if name else handler(exchange, tenant))

    async def keep(self, exchange: Exchange, decision: Decision, call: Call) -> bool:
        """Take a request whose client does not wait for its answer; False for any other.

        Raises RequestError where it cannot be kept.
        """
        latency_class: str = decision.latency_class
        fields = dict(call.fields)
        if call.endpoint == RESPONSES and fields.pop("background", None) is True:
            latency_class = "background" if latency_class == "background" else "async"
        if latency_class not in {"async", "background"} or exchange.work() is not None:
            return False
        self.start()
        if self._background is None:
            raise _closed()
        if call.form is not None:
            raise _no_form(exchange.path)
        tenant = decision.admitted.tenant_key
        await self._background.take(exchange, tenant, latency_class, fields)
        return True

    async def _refuse(self, exchange: Exchange, kind: str, *, named: bool, verb: str) -> None:
        methods = [
            method
            for method, of, with_name, with_verb in SERVED
            if (of, with_name, with_verb) == (kind, named, verb)
        ]
        path = exchange.path[:200]
        if not methods:
            await exchange.error(
                ErrorAnswer(404, f"there is nothing at {path}", code="unknown_path")
            )
            return
        right = ", ".join(methods)
        message = f"{exchange.method} is not possible on {path}; use {right}"
        headers = ((b"allow", right.encode()),)
        await exchange.error(ErrorAnswer(405, message, code="method_not_allowed", headers=headers))

    def _policy(self) -> BatchPolicy:
        brain = self._dispatcher.brain
        return brain.table.policy.batch if brain is not None else DEFAULT_POLICY

    def _serving(self) -> bool:
        return self._dispatcher.phase is Phase.SERVE and self._dispatcher.brain is not None

    def _set_up(self, root: Path, watchman: Watchman | None) -> None:
        files, jobs = FileStore(root, self._disk), JobStore(root, self._disk)
        asker = Asker(self._app, self._policy, Random())  # noqa: S311 - spreads retries, guards nothing
        slots = Slots(lambda: self._policy().concurrency)
        bench = Bench(asker, slots, files, jobs, self._dispatcher.settings.max_body_bytes)
        crew = self._crew = Crew(bench, self._policy, self._serving, watchman)
        file_paths = FilePaths(files, self._disk, self._policy)
        batches = BatchPaths(files, jobs, self._policy, crew.nudge)
        background = self._background = BackgroundPaths(
            files, jobs, self._disk, self._policy, crew.nudge
        )
        self._paths = {
            ("POST", "files", False, ""): file_paths.upload,
            ("GET", "files", False, ""): file_paths.list,
            ("GET", "files", True, ""): file_paths.retrieve,
            ("GET", "files", True, "content"): file_paths.content,
            ("DELETE", "files", True, ""): file_paths.delete,
            ("POST", "batches", False, ""): batches.create,
            ("GET", "batches", False, ""): batches.list,
            ("GET", "batches", True, ""): batches.retrieve,
            ("POST", "batches", True, "cancel"): batches.cancel,
            ("GET", "background", False, ""): background.list,
        }
        for kind in ("background", "responses"):
            self._paths |= {
                ("GET", kind, True, ""): background.retrieve,
                ("POST", kind, True, "cancel"): background.cancel,
                ("DELETE", kind, True, ""): background.delete,
            }


class _Unwatched:
    """A request whose work is finished even when the client leaves."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_raised: object) -> None:
        """End."""


def _no_form(path: str) -> RequestError:
    return RequestError(
        f"{path} takes a form, which cannot be kept for later; leave x-tierwise-latency-class out",
        param="x-tierwise-latency-class",
        code="invalid_header",
    )


def _closed() -> RequestError:
    return RequestError(
        "files, batches and background requests are switched off here: TIERWISE_FILES_DIR names "
        "no directory",
        status=501,
        code="storage_off",
    )
