"""A process that does nothing but hold a lease, in the few megabytes that a bare Python takes."""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

__all__ = ["hold"]

PROGRAM: Final = "import signal; signal.sigwait({signal.SIGTERM, signal.SIGINT})"


def hold(lease: int) -> None:
    """Become a process that keeps the descriptor open until it is told to stop."""
    os.set_inheritable(lease, True)  # noqa: FBT003 - it has no name
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", PROGRAM])  # noqa: S606 - our own
