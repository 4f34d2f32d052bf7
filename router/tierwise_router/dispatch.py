"""Sends a request to one of a Specialist's pods, and to another when that one fails first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tierwise_core.errors import NoEndpointError
from tierwise_core.route_table import Route
from tierwise_router.balance import Balancer, EndpointLoad
from tierwise_router.errors import UpstreamDiedError, UpstreamUnreachableError
from tierwise_router.tally import Tally
from tierwise_router.upstream.client import UpstreamClient
from tierwise_router.upstream.response import Headers, Response

__all__ = ["WHOLE_BYTES", "Ask", "Dispatch", "Lease", "SecretFiles"]

MAX_ATTEMPTS: Final = 3
WHOLE_BYTES: Final = 1024 * 1024
"""How much of an answer is held back, so that its pod may die without the client noticing."""

NOT_FOUND: Final = 404
GATEWAY_STATUSES: Final = frozenset({502, 503})


class _AdapterAbsentError(Exception):
    """A pod does not have the adapter after all: it was restarted, or somebody unloaded it.

    Nothing is wrong with the pod, which goes on serving its base.
    """


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to whichever endpoint is picked.

    ``session`` keeps related requests together. ``hold_bytes`` is how much of the answer must
    have arrived before the client gets any: until then another pod can still take over.
    """

    path: str
    headers: Headers
    body: bytes
    session: bytes = b""
    hold_bytes: int = WHOLE_BYTES


class Lease:
    """An answer in progress and the endpoint it keeps busy; release it in every case."""

    __slots__ = ("_load", "response")

    def __init__(self, load: EndpointLoad, response: Response) -> None:
        self._load: EndpointLoad | None = load
        self.response = response

    def release(self) -> None:
        """Give the endpoint back; an unfinished answer is given up, so that the engine stops."""
        if self._load is not None:
            self._load.in_flight -= 1
            self._load = None
            self.response.abort()


class Dispatch:
    """The way to the pods: picks, sends, retries.

    A pod that refuses, resets or answers 502 or 503 before anything reached the client is
    replaced by another one, up to three attempts; so is one that has lost an adapter. Time-outs are
    not retried: the pod may still be working, and a second one would then do the same work.
    """

    def __init__(
        self,
        client: UpstreamClient,
        balancer: Balancer,
        tally: Tally,
        secrets: Mapping[tuple[str, str], str] | SecretFiles,
    ) -> None:
        self._client = client
        self._balancer = balancer
        self._tally = tally
        self._secrets = secrets

    async def ask(self, route: Route, asked: Ask) -> Lease:
        """Send a request and wait for an answer of which ``hold_bytes`` (or all) have arrived.

        Raises NoEndpointError when the Specialist has no pod, or the UpstreamError of the last
        attempt.
        """
        if route.secret is not None:
            asked = self._authorised(route, asked)
        attempts = min(MAX_ATTEMPTS, max(1, len(route.endpoints)))
        tried: tuple[EndpointLoad, ...] = ()
        while True:
            load = self._balancer.pick(route, session=asked.session, tried=tried)
            tried = (*tried, load)
            is_last = len(tried) >= attempts
            try:
                return await self._attempt(route, load, asked, is_last=is_last)
            except _AdapterAbsentError:
                self._tally.retries[route.key] += 1
                if is_last:
                    raise NoEndpointError(_being_loaded(route)) from None
            except (UpstreamUnreachableError, UpstreamDiedError):
                self._balancer.failed(load)
                self._tally.retries[route.key] += 1
                if is_last:
                    raise

    async def _attempt(
        self, route: Route, load: EndpointLoad, asked: Ask, *, is_last: bool
    ) -> Lease:
        load.in_flight += 1
        try:
            response = await self._client.send(load.target, asked.path, asked.headers, asked.body)
        except BaseException:
            load.in_flight -= 1
            raise
        lease = Lease(load, response)
        try:
            if route.adapter:
                _check_adapter(response)
            if not is_last:
                _check_gateway(load, response)
            await response.settle(asked.hold_bytes)
        except BaseException:
            lease.release()
            raise
        if load.failures:
            self._balancer.succeeded(load)
        return lease

    def _authorised(self, route: Route, asked: Ask) -> Ask:
        key = b"Bearer " + self._secret(route).encode()
        return replace(asked, headers=[*asked.headers, (b"authorization", key)])

    def _secret(self, route: Route) -> str:
        name, key = route.secret or ("", "")
        try:
            return self._secrets[name, key]
        except KeyError:
            raise NoEndpointError(
                f"model {route.key!r} needs key {key!r} of Secret {name!r}, which is not mounted "
                "here; add it to the chart's router.externalSecrets (or to --secrets-dir)"
            ) from None


def _check_adapter(response: Response) -> None:
    if response.status == NOT_FOUND:
        raise _AdapterAbsentError


def _being_loaded(route: Route) -> str:
    return (
        f"model {route.title!r}: its pods do not have the adapter now and load it again; try "
        f"again in a moment, or see `kubectl describe specialist -n {route.namespace} {route.name}`"
    )


def _check_gateway(load: EndpointLoad, response: Response) -> None:
    if response.status in GATEWAY_STATUSES:
        raise UpstreamDiedError(f"endpoint {load.target.url} answered {response.status}")


class SecretFiles:
    """API keys as files, the way Kubernetes mounts a Secret: ``directory/name/key``.

    Read on each use: a rotated key counts from the next request on, and a read from memory-backed
    files costs microseconds beside a provider's answer.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def __getitem__(self, secret: tuple[str, str]) -> str:
        name, key = secret
        try:
            return (self._directory / name / key).read_text().strip()
        except OSError:
            raise KeyError(secret) from None
