"""A server of the external metrics API, as Prometheus' or KEDA's adapter is one; it has a number.

The API server asks it in its own name over TLS, and an HPA reads it there.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from localcluster.pki import Authority, Identity

GROUP = "external.metrics.k8s.io"
VERSION = "v1beta1"


@dataclass
class Metrics:
    """Numbers by the metric's name, and how often each was asked for."""

    values: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    port: int = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    metrics: Metrics

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Stay silent."""

    def do_GET(self) -> None:
        root, name = f"/apis/{GROUP}/{VERSION}", self.path.partition("?")[0].rpartition("/")[2]
        if self.path.partition("?")[0].rstrip("/") == root:
            resources = [self._resource(name) for name in self.metrics.values]
            group = {"groupVersion": f"{GROUP}/{VERSION}"}
            self._say({"kind": "APIResourceList", **group, "resources": resources})
        elif self.path.startswith(f"{root}/namespaces/") and name in self.metrics.values:
            self.metrics.asked[name] = self.metrics.asked.get(name, 0) + 1
            told = {"kind": "ExternalMetricValueList", "apiVersion": f"{GROUP}/{VERSION}"}
            self._say({**told, "metadata": {}, "items": [self._value(name)]})
        else:
            self._say({"kind": "Status", "status": "Failure", "code": 404}, 404)

    def _resource(self, name: str) -> dict[str, Any]:
        kind = {"kind": "ExternalMetricValueList", "verbs": ["get"]}
        return {"name": name, "singularName": "", "namespaced": True, **kind}

    def _value(self, name: str) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        value = str(self.metrics.values[name])
        return {"metricName": name, "metricLabels": {}, "timestamp": now, "value": value}

    def _say(self, told: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def external_metrics(host: str, folder: Path) -> Iterator[Metrics]:
    """A running server on that address; its certificate is made in the folder."""
    pki, metrics = Authority(folder), Metrics()
    pki.ensure({"metrics": Identity("metrics", addresses=(IPv4Address(host),))})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.crt("metrics"), pki.key_of("metrics"))
    server = ThreadingHTTPServer((host, 0), type("Bound", (_Handler,), {"metrics": metrics}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    metrics.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield metrics
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def registration(host: str, port: int) -> list[dict[str, Any]]:
    """What makes the API server ask there: an APIService, a Service, and where that leads."""
    name, namespace = "external-metrics", "tierwise-system"
    service = {"name": name, "namespace": namespace}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": service,
            "spec": {"ports": [{"port": 443, "targetPort": port, "name": "https"}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**service, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "service": {**service, "port": 443},
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]
