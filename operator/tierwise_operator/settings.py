"""How one operator process runs; every field is an option of the command line."""

import os
import socket
from dataclasses import dataclass, field
from uuid import uuid4

from tierwise_core.delivery import Delivery
from tierwise_core.placement import Policy

LEASE_NAME = "tierwise-operator"


def _identity() -> str:
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process.

    ``identity`` is this process in the Lease and in Events; it is new with every start.
    ``leaving_taints`` announce that a node is about to go, beside those that are known. Without a
    ``ledger_url`` no rollout is decided by evidence. ``router_urls`` are asked what they apply, by
    default the router pods of ``lease_namespace``.
    """

    namespaces: tuple[str, ...] = ()
    leader_elect: bool = True
    lease_namespace: str = "tierwise-system"
    workers: int = 32
    resync_seconds: float = 300.0
    host: str = "0.0.0.0"  # noqa: S104 - the kubelet probes the pod's address
    port: int = 8081
    log_level: str = "info"
    hf_endpoint: str | None = None
    hf_token: str | None = None
    delivery: Delivery = field(default_factory=Delivery)
    policy: Policy = field(default_factory=Policy)
    leaving_taints: tuple[str, ...] = ()
    ledger_url: str = ""
    ledger_token_file: str = ""
    router_urls: tuple[str, ...] = ()
    identity: str = field(default_factory=_identity)
