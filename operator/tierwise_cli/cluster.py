"""A Kubernetes cluster: the kubeconfig's address and credentials, and plain requests."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from tierwise_cli.errors import (
    AbsentError,
    ClusterError,
    ConflictError,
    DeniedError,
    NoClusterError,
    UnreachableError,
)

__all__ = ["Access", "Cluster", "connect"]

_PAGE_OBJECTS = 500
_TIMEOUT_SECONDS = 10.0
_WATCH_SECONDS = 240
_DENIED = (401, 403)
_NOT_FOUND = 404

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """Which cluster: a kubeconfig file and a context in it; None leaves it to kubectl's rules."""

    kubeconfig: Path | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that can be read.

    Attributes:
        http: A client with the API server's address, certificates and credentials.
        context: Name of the kubeconfig's context, or "in-cluster".
    """

    http: httpx.Client
    context: str

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self.http.base_url).rstrip("/")

    def get(self, path: str, **query: str | int) -> Object:
        """The JSON at a path of the API server.

        Raises:
            UnreachableError, DeniedError, AbsentError, ClusterError: with what to do.
        """
        try:
            response = self.http.get(path, params=query)
        except httpx.HTTPError as error:
            raise _unreachable(self, error) from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(self, response)
        try:
            return dict(response.json())
        except ValueError as error:
            raise UnreachableError(
                f"{self.server} (context {self.context}) answers, but not like a Kubernetes API "
                f"server: {response.text[:80]!r}",
                fix="check the server of that context: kubectl config view --minify",
            ) from error

    def send(
        self, method: str, path: str, body: Object, content_type: str = "application/json"
    ) -> Object:
        """Create or change an object, and give what the API server made of it.

        Raises:
            UnreachableError, DeniedError, AbsentError, ClusterError: with what to do.
        """
        headers = {"content-type": content_type}
        try:
            response = self.http.request(
                method, path, content=json.dumps(body).encode(), headers=headers
            )
        except httpx.HTTPError as error:
            raise _unreachable(self, error) from error
        if not response.is_success:
            raise _refusal(self, response)
        return dict(response.json())

    def items(self, path: str, **query: str | int) -> tuple[Object, ...]:
        """Every object of a list, page by page."""
        return tuple(self._pages(path, query))

    def changes(self, path: str, **query: str) -> Iterator[Object]:
        """Every object of a list that changes, as it changes, until the server ends the watch.

        An object that is deleted ends it with AbsentError; a version that the server has forgotten
        ends it quietly.

        Raises:
            UnreachableError, DeniedError, AbsentError, ClusterError: with what to do.
        """
        asked = {**query, "watch": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=_WATCH_SECONDS + _TIMEOUT_SECONDS)
        try:
            with self.http.stream("GET", path, params=asked, timeout=timeout) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise _refusal(self, response)
                for line in response.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    if event["type"] == "DELETED":
                        raise AbsentError(f"{_named(event['object'])} was deleted")
                    yield event["object"]
        except httpx.HTTPError as error:
            raise _unreachable(self, error) from error

    def _pages(self, path: str, query: Mapping[str, str | int]) -> Iterator[Object]:
        more = ""
        while True:
            page = self.get(
                path, limit=_PAGE_OBJECTS, **query, **({"continue": more} if more else {})
            )
            yield from page["items"]
            more = page["metadata"].get("continue", "")
            if not more:
                return


@contextmanager
def connect(access: Access) -> Iterator[Cluster]:
    """The cluster that kubectl would speak to; inside a pod, the pod's own.

    Raises:
        NoClusterError: the kubeconfig is missing or makes no sense.
    """
    try:
        settings, context = _settings(access)
    except Exception as error:  # a broken kubeconfig raises whatever its reader trips over
        raise _no_cluster(access, error) from error
    with _client(settings) as http:
        yield Cluster(http, context)


def _settings(access: Access) -> tuple[Any, str]:
    """The Kubernetes client's settings; it is loaded only here, as that takes most of a second."""
    client: Any = import_module("kubernetes.client")
    config: Any = import_module("kubernetes.config")
    settings = client.Configuration()
    if _is_in_pod(access):
        config.load_incluster_config(client_configuration=settings)
        return settings, "in-cluster"
    # The client reads KUBECONFIG when it is imported; what counts is what it is now.
    path = str(access.kubeconfig) if access.kubeconfig else os.environ.get("KUBECONFIG") or None
    _contexts, active = config.list_kube_config_contexts(path)
    config.load_kube_config(path, access.context, client_configuration=settings)
    return settings, access.context or active["name"]


def _is_in_pod(access: Access) -> bool:
    chosen = access.kubeconfig or access.context or os.environ.get("KUBECONFIG")
    return not chosen and "KUBERNETES_SERVICE_HOST" in os.environ


def _client(settings: Any) -> httpx.Client:
    bearer = settings.auth_settings().get("BearerToken", {}).get("value")
    return httpx.Client(
        base_url=settings.host,
        headers={"accept": "application/json"} | ({"authorization": bearer} if bearer else {}),
        verify=_tls(settings),
        timeout=_TIMEOUT_SECONDS,
        proxy=settings.proxy or None,
        trust_env=False,
        event_hooks={"request": [_name_server(settings.tls_server_name)]},
    )


def _name_server(name: str | None) -> Callable[[httpx.Request], None]:
    """Make requests expect a certificate for the kubeconfig's tls-server-name, if it has one."""

    def set_name(request: httpx.Request) -> None:
        if name:
            request.extensions["sni_hostname"] = name

    return set_name


def _tls(settings: Any) -> ssl.SSLContext | bool:
    if not settings.host.startswith("https"):
        return False
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if not settings.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)
    return tls


def _no_cluster(access: Access, error: Exception) -> NoClusterError:
    where = str(access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config")
    if os.pathsep not in where and not Path(where).expanduser().exists():
        return NoClusterError(
            f"no cluster: there is no kubeconfig {where}",
            fix="set KUBECONFIG or pass --kubeconfig FILE",
        )
    asked = f" with context {access.context}" if access.context else ""
    return NoClusterError(
        f"no cluster: the kubeconfig {where}{asked} cannot be used: {error}",
        fix="set KUBECONFIG or pass --kubeconfig; `kubectl config get-contexts` lists the contexts",
    )


def _unreachable(cluster: Cluster, error: httpx.HTTPError) -> UnreachableError:
    return UnreachableError(
        f"{cluster.server} (context {cluster.context}) does not answer: "
        f"{str(error) or type(error).__name__}",
        fix="start that cluster, or choose another with --context or --kubeconfig",
    )


def _refusal(cluster: Cluster, response: httpx.Response) -> ClusterError:
    message = _message(response)
    if response.status_code in _DENIED:
        return DeniedError(
            f"{cluster.server} (context {cluster.context}) refuses: {message}",
            fix="ask the cluster's administrator for that right, or use another context",
        )
    if response.status_code == _NOT_FOUND:
        return AbsentError(message)
    if response.status_code == httpx.codes.CONFLICT:
        return ConflictError(message, fix="look at what is there, and try again")
    return ClusterError(
        f"{cluster.server} answers {response.status_code} to {response.url.path}: {message}"
    )


def _named(body: Object) -> str:
    return f"{body['kind']} {body['metadata']['name']}"


def _message(response: httpx.Response) -> str:
    """What the API server says in a Status object, or the beginning of what it says instead."""
    try:
        return str(json.loads(response.text)["message"])
    except (ValueError, KeyError, TypeError):
        return response.text.strip()[:200]
