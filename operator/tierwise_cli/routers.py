"""Finding the router and asking it: by its address, or through the cluster's API server."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tierwise_cli.cluster import Access, connect
from tierwise_cli.errors import NoClusterError, RefusedError, RouterError

__all__ = [
    "SERVICE_PROXY",
    "URL_VARIABLE",
    "Router",
    "find_router",
    "key_headers",
    "nowhere",
    "refusal",
    "router_at",
]

URL_VARIABLE = "TIERWISE_URL"
KEY_VARIABLE = "TIERWISE_API_KEY"
SERVICE_PROXY = "/api/v1/namespaces/{namespace}/services/tierwise-router:http/proxy"
_CONNECT_SECONDS = 5.0
_HINTS = {
    "abstained": "ask more plainly, name a --model, or add a Specialist for this field",
    "human_review": "a person has to answer this; --model NAME asks one Specialist all the same",
    "invalid_api_key": f"set {KEY_VARIABLE} to a key of your Tenant (tierwise tenant rotate NAME)",
    "no_ready_endpoint": "tierwise status says who is ready, and why the others are not",
}


@dataclass(frozen=True, slots=True)
class Router:
    """A router that can be asked.

    Attributes:
        http: A client; paths are taken below ``prefix``.
        prefix: What comes before /v1 in the path: the API server's proxy, or nothing.
        where: How to speak of it to a person.
    """

    http: httpx.Client
    prefix: str
    where: str

    @contextmanager
    def chat(self, body: Mapping[str, Any], timeout_seconds: float) -> Iterator[httpx.Response]:
        """Ask, and yield the answer while its body is still to be read.

        Raises:
            RouterError: nobody answers; RefusedError: it answers with an error.
        """
        timeout = httpx.Timeout(timeout_seconds, connect=_CONNECT_SECONDS)
        path = f"{self.prefix}/v1/chat/completions"
        try:
            with self.http.stream(
                "POST", path, json=dict(body), timeout=timeout, headers=key_headers()
            ) as response:
                if response.status_code != httpx.codes.OK:
                    response.read()
                    raise refusal(response, self.where)
                yield response
        except httpx.TimeoutException as error:
            raise RouterError(
                f"the router {self.where} took longer than {timeout_seconds:g} s",
                fix="wait longer with --timeout, or look why: tierwise doctor",
            ) from error
        except httpx.HTTPError as error:
            raise RouterError(
                f"no router answers {self.where}: {error}",
                fix="start one with `tierwise serve FILE`, correct --url, or look why: "
                "tierwise doctor",
            ) from error


def key_headers() -> dict[str, str]:
    """The API key of TIERWISE_API_KEY, in the header that an API server's proxy passes on."""
    key = os.environ.get(KEY_VARIABLE)
    return {"x-api-key": key} if key else {}


@contextmanager
def find_router(url: str | None, access: Access, namespace: str) -> Iterator[Router]:
    """The router at a URL; else at TIERWISE_URL; else that of the cluster, through its API server.

    Raises:
        RouterError: there is neither a URL nor a cluster, or the URL is none.
    """
    address = url or os.environ.get(URL_VARIABLE)
    with ExitStack() as held:
        if address:
            yield held.enter_context(router_at(address))
            return
        try:
            cluster = held.enter_context(connect(access))
        except NoClusterError as error:
            raise nowhere(error) from error
        prefix = SERVICE_PROXY.format(namespace=namespace)
        yield Router(cluster.http, prefix, f"of namespace {namespace} in {cluster.context}")


@contextmanager
def router_at(address: str, *, reconnects: bool = False) -> Iterator[Router]:
    """The router at a URL, over a new connection each time if it ``reconnects``.

    Raises:
        RouterError: the address is no URL.
    """
    base = _base_url(address)
    limits = httpx.Limits(max_keepalive_connections=0 if reconnects else 20)
    with httpx.Client(base_url=base, limits=limits) as http:
        yield Router(http, "", f"at {base}")


def nowhere(error: NoClusterError) -> RouterError:
    """Say that there is neither an address nor a cluster, and what to do."""
    return RouterError(
        f"no router to ask: no --url, no {URL_VARIABLE}, and {error}",
        fix="pass --url http://HOST:PORT, start one with `tierwise serve FILE`, "
        "or choose a cluster with --kubeconfig",
    )


def _base_url(address: str) -> str:
    """The router's root; a trailing /v1, as OpenAI clients write it, does no harm.

    >>> _base_url("http://127.0.0.1:8080/v1/")
    'http://127.0.0.1:8080'
    """
    if not address.startswith(("http://", "https://")):
        raise RouterError(
            f"the URL {address!r} has no scheme", fix=f"write http://{address} or https://{address}"
        )
    return address.rstrip("/").removesuffix("/v1")


def refusal(response: httpx.Response, where: str) -> RouterError:
    """What an error response means: the router's OpenAI error, or the API server's Status."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        return _openai_error(body["error"], response)
    if isinstance(body, dict) and body.get("kind") == "Status":
        return RouterError(
            f"the router {where} cannot be reached: {body.get('message')}",
            fix="tierwise doctor tells why",
        )
    return RouterError(
        f"what answers {where} is no tierwise router: status {response.status_code}, "
        f"{response.text.strip()[:120]!r}",
        fix="correct --url",
    )


def _openai_error(error: Mapping[str, Any], response: httpx.Response) -> RefusedError:
    words = [str(error[name]) for name in ("type", "code") if error.get(name)]
    kind = next((word for word in words if word in _HINTS), words[-1] if words else "error")
    path = response.headers.get("x-tierwise-path")
    tried = f"\nThe way it took: {path}" if path else ""
    return RefusedError(
        f"{error.get('message', 'the router gave no reason')}{tried}",
        kind=kind,
        status=response.status_code,
        fix=_HINTS.get(kind, ""),
    )
