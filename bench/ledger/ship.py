"""A shipper as a process of its own, as a pod's watcher is: python bench/ledger/ship.py DIR URL."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tierwise_router.shipping import LedgerAddress, Shipper

if __name__ == "__main__":
    shipper = Shipper(Path(sys.argv[1]), LedgerAddress(sys.argv[2]))
    shipper.start()
    signal.sigwait({signal.SIGTERM})
    shipper.finish(1.0)
    shipper.close()
