"""What can be set, from the environment; every field has a default that serves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tierwise_core.errors import TierwiseError
from tierwise_core.router_policy import POLICY_NAME

__all__ = ["Settings", "SettingsError"]

MIB = 1024 * 1024
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a pod's Service reaches it on any of its addresses


class SettingsError(TierwiseError):
    """A setting has a value that cannot be used; the message names the variable."""

    reason = "InvalidSetting"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one router process and its dispatchers.

    ``withdraw_s`` is how long a stopping pod goes on accepting while the cluster takes its address
    out of the Service; ``drain_s`` how long running requests then may take. ``held_requests`` is
    how many requests one dispatcher holds for Specialists that sleep, and ``hold_progress_s`` how
    often a held stream is told so. ``files_dir`` keeps files, batches and
    background requests; empty where there is none. ``replicas`` are the router pods there are,
    among which a provider's limits are shared. ``policy`` is the name of the RouterPolicy to obey.
    ``journal_dir`` is where decisions are written down, empty for the router's own folder, which
    goes with it; ``journal_mib`` the most that they may take.
    ``spool_dir`` is a volume that outlives pods, empty for none: each writes into a folder of its
    own there, and ships what pods have left that are gone.
    ``ledger_url`` is where they are shipped to, empty for nowhere, and ``ledger_token_file`` has
    the token for it. ``keys_dir`` has the keys that prompts and answers are sealed with, where the
    RouterPolicy has them kept.
    ``otlp_endpoint`` is the collector that traces are sent to, empty for nobody, and
    ``trace_share`` the share of the requests that are traced, where their clients do not say.
    """

    host: str = ANY_ADDRESS
    port: int = 8080
    health_port: int = 8081
    dispatchers: int = 2
    max_body_bytes: int = 20 * MIB
    deadline_s: float = 600.0
    withdraw_s: float = 5.0
    drain_s: float = 600.0
    held_requests: int = 512
    hold_progress_s: float = 5.0
    secrets_dir: str = "/var/run/tierwise/secrets"
    files_dir: str = ""
    replicas: int = 1
    log_level: str = "info"
    policy: str = POLICY_NAME
    journal_dir: str = ""
    journal_mib: int = 256
    spool_dir: str = ""
    ledger_url: str = ""
    ledger_token_file: str = ""
    keys_dir: str = ""
    otlp_endpoint: str = ""
    trace_share: float = 1.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read the ``TIERWISE_*`` variables; raises SettingsError for one that is no number.

        >>> Settings.from_env({"TIERWISE_DISPATCHERS": "1"}).dispatchers
        1
        >>> Settings.from_env({"TIERWISE_PORT": "http"})
        Traceback (most recent call last):
            ...
        tierwise_router.settings.SettingsError: TIERWISE_PORT is 'http'; give a whole number
        """
        return cls(
            host=env.get("TIERWISE_HOST") or ANY_ADDRESS,
            port=_whole(env, "TIERWISE_PORT", 8080),
            health_port=_whole(env, "TIERWISE_HEALTH_PORT", 8081),
            dispatchers=_whole(env, "TIERWISE_DISPATCHERS", 2, least=1),
            max_body_bytes=_whole(env, "TIERWISE_MAX_BODY_BYTES", 20 * MIB, least=1),
            deadline_s=_whole(env, "TIERWISE_DEADLINE_S", 600, least=1),
            withdraw_s=_whole(env, "TIERWISE_WITHDRAW_S", 5),
            drain_s=_whole(env, "TIERWISE_DRAIN_S", 600),
            held_requests=_whole(env, "TIERWISE_HELD_REQUESTS", 512),
            hold_progress_s=_whole(env, "TIERWISE_HOLD_PROGRESS_S", 5, least=1),
            secrets_dir=env.get("TIERWISE_SECRETS_DIR", "/var/run/tierwise/secrets"),
            files_dir=env.get("TIERWISE_FILES_DIR", ""),
            replicas=_whole(env, "TIERWISE_REPLICAS", 1),
            log_level=env.get("TIERWISE_LOG_LEVEL", "info").lower(),
            policy=env.get("TIERWISE_POLICY") or POLICY_NAME,
            journal_dir=env.get("TIERWISE_JOURNAL_DIR", ""),
            journal_mib=_whole(env, "TIERWISE_JOURNAL_MIB", 256, least=1),
            spool_dir=env.get("TIERWISE_SPOOL_DIR", ""),
            ledger_url=_url(env, "TIERWISE_LEDGER_URL"),
            ledger_token_file=env.get("TIERWISE_LEDGER_TOKEN_FILE", ""),
            keys_dir=env.get("TIERWISE_KEYS_DIR", ""),
            otlp_endpoint=_url(env, "TIERWISE_OTLP_ENDPOINT"),
            trace_share=_share(env, "TIERWISE_TRACE_SHARE", 1.0),
        )


def _url(env: Mapping[str, str], name: str) -> str:
    text = env.get(name, "").strip().rstrip("/")
    if text and not text.startswith(("http://", "https://")):
        raise SettingsError(f"{name} is {text!r}; give http://HOST:PORT or https://HOST:PORT")
    return text


def _share(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise SettingsError(f"{name} is {text!r}; give a number from 0 to 1")
    return value


def _whole(env: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    text = env.get(name, "")
    # In a namespace with a Service called "tierwise", Kubernetes sets TIERWISE_PORT=tcp://...
    if not text or text.startswith("tcp://"):
        return default
    try:
        value = int(text)
    except ValueError:
        raise SettingsError(f"{name} is {text!r}; give a whole number") from None
    if value < least:
        raise SettingsError(f"{name} is {value}; it must be {least} or more")
    return value
