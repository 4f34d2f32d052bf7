"""Where things lie: the repository, the cache of built things, the state of instances."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLS = REPOSITORY / "hack" / "tools"


def cache_root() -> Path:
    """Built binaries, images and the engine's environment; safe to delete, slow to refill."""
    chosen = os.environ.get("TIERWISE_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tierwise"


def state_root() -> Path:
    """What instances keep: certificates, etcd's data, logs.

    An ordinary user may run a control plane only, and keeps it under the home folder.
    """
    chosen = os.environ.get("TIERWISE_STATE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/tierwise")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tierwise"


def runtime_root() -> Path:
    """Process records, sockets and namespaces: short paths, meaningless after a reboot."""
    return Path("/run/tierwise") if os.geteuid() == 0 else state_root() / ".run"
