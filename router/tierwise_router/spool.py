"""Outcomes that outlive their pod: a folder for each pod on a volume, and an heir for each folder.

A pod holds the lock of its folder as long as it runs; the kernel lets go of it however the pod
ends. Whoever gets the lock of another's folder knows that its pod is gone, ships what is left, and
removes it. A pod that comes back under its old name goes on where it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from tierwise_router.shipping import Shipper

__all__ = ["Heir", "own_folder"]

log = structlog.get_logger(__name__)

LOCK: Final = "lock"
EVERY_S: Final = 15.0


@contextlib.contextmanager
def own_folder(spool: Path, pod: str) -> Iterator[Path]:
    """Make the folder of a pod, or take it over from its predecessor of that name, and hold it.

    Where another one runs under the same name the folder gets a number. Raises OSError where the
    volume cannot be written, or knows no locks.
    """
    for number in count(1):
        folder = spool / (pod if number == 1 else f"{pod}.{number}")
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as ours:
            if ours:
                yield folder
                return


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder, if nobody else does and nobody has removed it meanwhile."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o640)
    except FileNotFoundError:  # it has just been removed
        yield False
        return
    try:
        yield _is_ours(lock)
    finally:
        os.close(lock)


def _is_ours(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(lock).st_nlink > 0


class Heir:
    """Ships what pods have left that are gone, from a thread.

    Args:
        own: this pod's folder; its siblings are the others'.
        make_shipper: makes what ships a folder.
    """

    def __init__(self, own: Path, make_shipper: Callable[[Path], Shipper]) -> None:
        self._own = own
        self._make_shipper = make_shipper
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to look, now and every quarter of a minute."""
        threading.Thread(target=self._run, name="inheriting", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def settle(self) -> int:
        """Ship and remove what pods have left; tells how many folders went."""
        return sum(self._settle(folder) for folder in self._others())

    def _run(self) -> None:
        while not self._ended.is_set():
            self.settle()
            self._ended.wait(EVERY_S)

    def _others(self) -> list[Path]:
        try:
            beside = sorted(self._own.parent.iterdir())
        except OSError as error:
            log.warning("the volume of outcomes cannot be read", error=str(error))
            return []
        return [folder for folder in beside if folder != self._own and folder.is_dir()]

    def _settle(self, folder: Path) -> bool:
        try:
            return self._settled(folder)
        except OSError as error:
            log.warning("what a pod left stays", pod=folder.name, error=str(error))
            return False

    def _settled(self, folder: Path) -> bool:
        with _locked(folder) as ours:
            if not ours:
                return False
            shipper = self._make_shipper(folder)
            try:
                if not shipper.ship():
                    return False
            finally:
                shipper.close()
            shutil.rmtree(folder)
        log.info("shipped what a pod left", pod=folder.name, records=shipper.shipped.rows)
        return True
