"""What can be set, from the environment; every field has a default that serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tierwise_ledger.errors import SettingsError

__all__ = ["DEFAULT_DATABASE", "Settings"]

DEFAULT_DATABASE = "sqlite:////var/lib/tierwise/ledger/ledger.db"
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a pod's Service reaches it on any of its addresses


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one ledger process.

    ``database`` is ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``. ``token`` is
    what callers must show, empty for nobody is asked. ``keys_dir`` has the keys of contents, one
    file each. ``keep_days`` is how long single outcomes are kept, 0 for ever; sums by the hour
    stay. ``audit_key_file`` has the key that checkpoints of the audit are signed with.
    ``power_url`` is where DCGM exporters tell what GPUs draw, on each address behind its name.
    """

    host: str = ANY_ADDRESS
    port: int = 8090
    database: str = DEFAULT_DATABASE
    token: str = ""
    keys_dir: str = ""
    keep_days: int = 90
    audit_key_file: str = ""
    power_url: str = ""
    log_level: str = "info"

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the ``TIERWISE_LEDGER_*`` variables; raises SettingsError naming a wrong one.

        >>> Settings.from_env({"TIERWISE_LEDGER_PORT": "9000"}).port
        9000
        >>> Settings.from_env({"TIERWISE_LEDGER_KEEP_DAYS": "long"})
        Traceback (most recent call last):
            ...
        tierwise_ledger.errors.SettingsError: TIERWISE_LEDGER_KEEP_DAYS is 'long'; give a whole \
number of 0 or more
        """
        return cls(
            host=env.get("TIERWISE_LEDGER_HOST") or ANY_ADDRESS,
            port=_whole(env, "TIERWISE_LEDGER_PORT", 8090),
            database=env.get("TIERWISE_LEDGER_DATABASE") or DEFAULT_DATABASE,
            token=_token(env.get("TIERWISE_LEDGER_TOKEN_FILE", "")),
            keys_dir=env.get("TIERWISE_LEDGER_KEYS_DIR", ""),
            keep_days=_whole(env, "TIERWISE_LEDGER_KEEP_DAYS", 90),
            audit_key_file=env.get("TIERWISE_LEDGER_AUDIT_KEY_FILE", ""),
            power_url=env.get("TIERWISE_LEDGER_POWER_URL", ""),
            log_level=env.get("TIERWISE_LEDGER_LOG_LEVEL", "info").lower(),
        )


def _token(name: str) -> str:
    if not name:
        return ""
    try:
        token = Path(name).read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"TIERWISE_LEDGER_TOKEN_FILE is {name!r}, which cannot be read ({error.strerror}); "
            "give a file with the token, or unset it to ask nobody for one"
        ) from error
    if not token:
        raise SettingsError(f"TIERWISE_LEDGER_TOKEN_FILE is {name!r}, which is empty")
    return token


def _whole(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    # In a namespace with a Service called "tierwise-ledger", Kubernetes sets ..._PORT=tcp://...
    if not text or text.startswith("tcp://"):
        return default
    if not text.isdigit():
        raise SettingsError(f"{name} is {text!r}; give a whole number of 0 or more")
    return int(text)
