"""The ledger's own way to its cluster: plain requests with the pod's service account."""

from __future__ import annotations

import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from tierwise_ledger.errors import LedgerError

__all__ = ["Cluster", "ClusterError", "pages_of"]

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE: Final = 500
TIMEOUT_S: Final = 20.0
MOST_BYTES: Final = 64 * 1024 * 1024
KINDS: Final = {
    "GPUTier": "/apis/tierwise.dev/v1alpha1/gputiers",
    "Specialist": "/apis/tierwise.dev/v1alpha1/specialists",
    "Tenant": "/apis/tierwise.dev/v1alpha1/tenants",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/pods",
}


class ClusterError(LedgerError):
    """The cluster cannot be looked at; the next look tries again."""

    reason = "ClusterUnavailable"
    status = 503


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server, and who we are there; the token's file is read each time, as it changes."""

    server: str
    token_file: Path | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def around(cls, env: Mapping[str, str] = os.environ) -> Self | None:
        """Find the cluster whose pod this is; None outside of any."""
        host, token_file = env.get("KUBERNETES_SERVICE_HOST"), SERVICE_ACCOUNT / "token"
        if not host or not token_file.exists():
            return None
        shown = f"[{host}]" if ":" in host else host
        tls = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
        port = env.get("KUBERNETES_SERVICE_PORT", "443")
        return cls(f"https://{shown}:{port}", token_file, tls)

    def objects(self) -> dict[str, list[Mapping[str, Any]]]:
        """List everything that a look at the fleet needs; raises ClusterError."""
        return {kind: list(self._listed(path)) for kind, path in KINDS.items()}

    def listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        """List the objects at a path, page by page; raises ClusterError."""
        return self._listed(path)

    def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Create an object; raises ClusterError."""
        self._ask(path, json.dumps(body).encode())

    def _listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        more = ""
        while True:
            query = {"limit": PAGE, **({"continue": more} if more else {})}
            page = self._ask(f"{path}?{urlencode(query)}")
            yield from page.get("items") or ()
            more = (page.get("metadata") or {}).get("continue") or ""
            if not more:
                return

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self.token_file is not None:
            headers["authorization"] = f"Bearer {self.token_file.read_text().strip()}"
        request = urllib.request.Request(  # noqa: S310 - the API server's address
            f"{self.server}{path}", data=body, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self.tls) as answer:  # noqa: S310 - likewise
                found: dict[str, Any] = json.loads(answer.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            raise ClusterError(f"the API server answers {error.code} to {path}") from error
        except (OSError, ValueError) as error:
            raise ClusterError(f"the API server does not answer to {path}: {error}") from error
        return found


def pages_of(url: str) -> Iterator[str]:
    """Read a page of metrics from each address behind a name, as those of a DaemonSet's Service.

    Addresses that do not answer are passed over.
    """
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return
    for address in sorted({one[4][0] for one in found}):
        shown = f"[{address}]" if ":" in str(address) else address
        at = f"{parts.scheme}://{shown}:{parts.port or 80}{parts.path or '/metrics'}"
        try:
            with urllib.request.urlopen(at, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as set
                yield answer.read(MOST_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
