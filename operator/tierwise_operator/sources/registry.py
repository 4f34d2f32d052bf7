"""An OCI registry, as far as pulling goes: manifests, blobs by range, and its tokens.

A registry that answers 401 says in ``WWW-Authenticate`` where a token is to be had; the credentials
go there, the token goes to the registry, and httpx drops it when a blob is redirected to another
host.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from tierwise_core.errors import SourceUnreadableError, UnauthorizedError
from tierwise_operator.sources.answers import refused, unanswered
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.oci_reference import OciReference

__all__ = ["Registry"]

CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')
MAX_TOKEN_BYTES: Final = 1 << 20
LOOPBACK: Final = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")
HUB_HOST: Final = "docker.io"
HUB_KEYS: Final = ("https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io")


@dataclass(slots=True)
class Registry:
    """The registry of one reference; keeps the token it was given.

    ``insecure`` lists hosts that are spoken to without TLS; loopback addresses always are.
    """

    client: httpx.AsyncClient
    reference: OciReference
    credentials: Credentials
    insecure: tuple[str, ...] = ()
    _authorization: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Scheme and host."""
        host = self.reference.host
        plain = host in self.insecure or LOOPBACK.fullmatch(host)
        served_by = "registry-1.docker.io" if host == HUB_HOST else host
        return f"{'http' if plain else 'https'}://{served_by}"

    @asynccontextmanager
    async def get(self, path: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """A successful answer to a path of the repository, its body not read yet.

        Raises:
            SourceNotFoundError: there is no such repository, tag or blob.
            UnauthorizedError: the credentials are missing or do not suffice.
            SourceUnreadableError: any other refusal, or no answer.
        """
        url = f"{self.address}/v2/{self.reference.repository}/{path}"
        try:
            async with self._send(url, headers) as first:
                if first.status_code != HTTPStatus.UNAUTHORIZED:
                    yield self._checked(first)
                    return
                challenge = first.headers.get("WWW-Authenticate", "")
            self._authorization = await self._authorize(challenge)
            async with self._send(url, headers) as second:
                yield self._checked(second)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unanswered(str(self.reference), self.address, error) from error

    @asynccontextmanager
    async def _send(self, url: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        sent = {"Accept-Encoding": "identity", **headers}
        if self._authorization:
            sent["Authorization"] = self._authorization
        async with self.client.stream("GET", url, headers=sent, follow_redirects=True) as response:
            yield response

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        source, code = str(self.reference), response.status_code
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise UnauthorizedError(self._refusal(code))
        hint = "check registry, repository and tag"
        raise refused(source, self.address, response, hint)

    def _refusal(self, code: int) -> str:
        known = self._entry() is not None
        remedy = (
            f"the entry for {self.reference.host} in {self.credentials.origin} may not pull it"
            if known
            else "set spec.model.secretRef to a Secret with .dockerconfigjson that has an entry "
            f"for {self.reference.host} (kubectl create secret docker-registry)"
        )
        return f"spec.model.source: {self.address} refuses {self.reference} ({code}); {remedy}"

    async def _authorize(self, challenge: str) -> str | None:
        """The header that the challenge asks for.

        Raises:
            UnauthorizedError: the token service refuses, or is not safe to give a password to.
        """
        scheme, _, rest = challenge.partition(" ")
        asked = dict(CHALLENGE.findall(rest))
        login = self._login()
        if scheme.lower() == "basic":
            return f"Basic {_basic(login)}" if login else None
        if scheme.lower() != "bearer" or "realm" not in asked:
            return None
        if login and asked["realm"].startswith("http://") and self.address.startswith("https://"):
            raise UnauthorizedError(
                f"spec.model.source: {self.address} sends us to {asked['realm']} for a token, "
                "which is not encrypted; no password is sent there"
            )
        return f"Bearer {await self._token(asked, login)}"

    async def _token(self, asked: dict[str, str], login: tuple[str, str] | None) -> str:
        scope = asked.get("scope") or f"repository:{self.reference.repository}:pull"
        query = {"scope": scope, **({"service": asked["service"]} if "service" in asked else {})}
        headers = {"Authorization": f"Basic {_basic(login)}"} if login else {}
        answer = await self.client.get(
            asked["realm"], params=query, headers=headers, follow_redirects=True
        )
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise UnauthorizedError(self._refusal(answer.status_code))
        if not answer.is_success:
            raise refused(str(self.reference), asked["realm"], answer, "is it a token service?")
        token = _word(answer.content[:MAX_TOKEN_BYTES], "token", "access_token")
        if not token:
            raise SourceUnreadableError(
                f"spec.model.source: {asked['realm']} answered without a token for {self.reference}"
            )
        return token

    def _login(self) -> tuple[str, str] | None:
        entry = self._entry()
        if entry is None:
            return None
        if entry.get("username"):
            return str(entry["username"]), str(entry.get("password", ""))
        try:
            text = base64.b64decode(str(entry.get("auth", ""))).decode()
        except ValueError:
            text = ""
        name, colon, word = text.partition(":")
        return (name, word) if colon else None

    def _entry(self) -> dict[str, Any] | None:
        """The registry's entry in the Docker config, under any of the names it may have."""
        if self.credentials.docker_config is None:
            return None
        try:
            auths = json.loads(self.credentials.docker_config)["auths"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnauthorizedError(
                f"spec.model.secretRef: .dockerconfigjson in {self.credentials.origin} is not a "
                "Docker config with auths; create it with kubectl create secret docker-registry"
            ) from error
        host = self.reference.host
        names = (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
        for name in (*names, *(HUB_KEYS if host == HUB_HOST else ())):
            if isinstance(auths.get(name), dict):
                return dict(auths[name])
        return None


def _basic(login: tuple[str, str] | None) -> str:
    name, word = login or ("", "")
    return base64.b64encode(f"{name}:{word}".encode()).decode()


def _word(body: bytes, *names: str) -> str:
    """The first of the named strings in a JSON object, or nothing."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return ""
    found = (parsed.get(name) for name in names) if isinstance(parsed, dict) else ()
    return next((str(value) for value in found if value), "")
