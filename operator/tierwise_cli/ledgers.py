"""Finding the ledger and asking it: by its address, or through the cluster's API server."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer

from tierwise_cli.cluster import Access, Cluster, connect
from tierwise_cli.errors import AbsentError, ClusterError, LedgerError, NoClusterError

__all__ = ["TOKEN_VARIABLE", "URL_VARIABLE", "LedgerClient", "LedgerUrl", "ledger"]

URL_VARIABLE = "TIERWISE_LEDGER_URL"
TOKEN_VARIABLE = "TIERWISE_LEDGER_TOKEN"  # noqa: S105 - the variable's name
SERVICE_PROXY = "/api/v1/namespaces/{namespace}/services/tierwise-ledger:http/proxy"
SECRET = "/api/v1/namespaces/{namespace}/secrets/tierwise-ledger"  # noqa: S105 - a path
TOKEN_KEY = "token"  # noqa: S105 - the key's name
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
PATIENT = httpx.Timeout(3600.0, connect=5.0)
SHOWN = 160

LedgerUrl = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="URL",
        help=f"The ledger's address; by default {URL_VARIABLE}, then the cluster's through its API "
        "server.",
    ),
]


@dataclass(frozen=True, slots=True)
class LedgerClient:
    """A ledger that can be asked.

    Attributes:
        http: A client; paths are taken below ``prefix``.
        prefix: What comes before the path: the API server's proxy, or nothing.
        where: How to speak of it to a person.
        token: What it asks callers for; empty for nothing.
    """

    http: httpx.Client
    prefix: str
    where: str
    token: str = ""

    def get(self, path: str, **query: str | float | bool | None) -> dict[str, Any]:
        """Ask; parameters that are None are left out.

        Raises:
            LedgerError: nobody answers, or the answer is that it cannot.
        """
        return self._ask("GET", path, query=query)

    def post(
        self, path: str, body: Mapping[str, Any], **query: str | float | bool | None
    ) -> dict[str, Any]:
        """Send an object; raises LedgerError as :meth:`get` does."""
        return self._ask("POST", path, query=query, body=body)

    def delete(self, path: str, **query: str | float | bool | None) -> dict[str, Any]:
        """Have something removed, which takes its time; raises LedgerError as :meth:`get` does."""
        return self._ask("DELETE", path, query=query, timeout=PATIENT)

    def text(self, path: str, **query: str | float | bool | None) -> Iterator[str]:
        """Ask for lines, and yield them as they come; raises LedgerError as :meth:`get` does."""
        try:
            with self.http.stream(
                "GET", self.prefix + path, params=_given(query), headers=self._headers()
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._refusal(answer)
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise self._silent(error) from error

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | float | bool | None] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> dict[str, Any]:
        try:
            answer = self.http.request(
                method, self.prefix + path, params=_given(query or {}), headers=self._headers(),
                json=dict(body) if body is not None else None, timeout=timeout,
            )  # fmt: skip
        except httpx.HTTPError as error:
            raise self._silent(error) from error
        if not answer.is_success:
            raise self._refusal(answer)
        try:
            return dict(answer.json())
        except ValueError as error:
            raise self._refusal(answer) from error

    def _headers(self) -> dict[str, str]:
        # An API server's proxy keeps the header "authorization" to itself.
        return {"x-api-key": self.token} if self.token else {}

    def _silent(self, error: httpx.HTTPError) -> LedgerError:
        return LedgerError(
            f"no ledger answers {self.where}: {str(error) or type(error).__name__}",
            fix="start one with `tierwise ledger serve`, or correct --ledger",
        )

    def _refusal(self, answer: httpx.Response) -> LedgerError:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return LedgerError(
                f"the ledger {self.where} asks for its token",
                fix=f"set {TOKEN_VARIABLE} to the token of the Secret tierwise-ledger",
            )
        try:
            body = answer.json()
        except ValueError:
            body = {}
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict):
            return LedgerError(str(error.get("message")))
        if isinstance(body, dict) and body.get("kind") == "Status":
            return LedgerError(
                f"the ledger {self.where} cannot be reached: {body.get('message')}",
                fix="kubectl get pods -n tierwise-system, or pass --ledger URL",
            )
        return LedgerError(
            f"what answers {self.where} is no ledger: status {answer.status_code}, "
            f"{answer.text.strip()[:SHOWN]!r}",
            fix="correct --ledger",
        )


def _given(query: Mapping[str, str | float | bool | None]) -> dict[str, str]:
    """Leave out what is None, and write booleans as JSON does.

    >>> _given({"since": "24h", "until": None, "all": True, "limit": 5})
    {'since': '24h', 'all': 'true', 'limit': '5'}
    """
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }


@contextmanager
def ledger(url: str | None, access: Access, namespace: str) -> Iterator[LedgerClient]:
    """The ledger at a URL; else at TIERWISE_LEDGER_URL; else the cluster's, by its API server.

    Raises:
        LedgerError: there is neither a URL nor a cluster, or the URL is none.
    """
    address = url or os.environ.get(URL_VARIABLE)
    token = os.environ.get(TOKEN_VARIABLE, "")
    with ExitStack() as held:
        if address:
            base = _base_url(address)
            http = held.enter_context(httpx.Client(base_url=base, timeout=TIMEOUT))
            yield LedgerClient(http, "", f"at {base}", token)
            return
        try:
            cluster = held.enter_context(connect(access))
        except NoClusterError as error:
            raise LedgerError(
                f"no ledger to ask: no --ledger, no {URL_VARIABLE}, and {error}",
                fix="pass --ledger http://HOST:PORT, start one with `tierwise ledger serve`, or "
                "choose a cluster with --kubeconfig",
            ) from error
        prefix = SERVICE_PROXY.format(namespace=namespace)
        where = f"of namespace {namespace} in {cluster.context}"
        yield LedgerClient(cluster.http, prefix, where, token or _token(cluster, namespace))


def _token(cluster: Cluster, namespace: str) -> str:
    """Read the token from its Secret; who may not read it is told by the ledger's own refusal."""
    try:
        found = cluster.get(SECRET.format(namespace=namespace))
        return base64.b64decode(found["data"][TOKEN_KEY]).decode().strip()
    except AbsentError as error:
        raise LedgerError(
            f"there is no ledger of namespace {namespace} in {cluster.context}: {error}",
            fix="install the chart with ledger.enabled=true, or pass --ledger URL",
        ) from error
    except (ClusterError, KeyError, ValueError):
        return ""


def _base_url(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise LedgerError(
            f"the URL {address!r} has no scheme", fix=f"write http://{address} or https://{address}"
        )
    return address.rstrip("/")
