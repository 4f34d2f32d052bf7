"""The requests that the Hub understands, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx

from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnauthorizedError,
)
from tierwise_operator.sources.answers import PASSING, retry_after_seconds
from tierwise_operator.sources.origin import BusyError

__all__ = ["HubRepository", "Received"]

CONTENT_RANGE: Final = re.compile(r"bytes 0-\d+/(\d+)")
GATED: Final = (
    "accept its terms on the Hub and give a token that may read it (spec.model.secretRef: a Secret "
    "with the key HF_TOKEN)"
)


@dataclass(frozen=True, slots=True)
class Received:
    """A file, or its beginning.

    Attributes:
        body: the bytes.
        commit: the commit that the revision means, if the server says.
        total_bytes: the size of the whole file, if the server says.
    """

    body: bytes
    commit: str | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository at a revision, reached through a client.

    The token goes to the endpoint alone: httpx drops it when a redirect leaves the origin, as the
    Hub's do for large files.
    """

    client: httpx.AsyncClient
    endpoint: str
    name: str
    revision: str
    token: str | None = None

    def at(self, revision: str) -> HubRepository:
        """The same repository at another revision."""
        return replace(self, revision=revision)

    def label(self, file: str) -> str:
        """The file's name for messages."""
        return f"hf://{self.name}@{self.revision} {file}"

    async def fetch(self, file: str, limit: int) -> Received:
        """The whole of a small file.

        Raises:
            SourceNotFoundError: it does not exist.
            SourceUnreadableError: it cannot be had, or is larger than ``limit`` bytes.
        """
        async with self.answer(file, {}) as response:
            body = await _up_to(response, limit + 1)
            if len(body) > limit:
                raise SourceUnreadableError(f"{self.label(file)} has over {limit} bytes")
            return Received(body, _commit(response), len(body))

    async def fetch_start(self, file: str, count: int) -> Received:
        """The first ``count`` bytes of a large file, also from a server that ignores ranges.

        Raises:
            SourceNotFoundError: it does not exist.
            SourceUnreadableError: it cannot be had.
        """
        async with self.answer(file, {"Range": f"bytes=0-{count - 1}"}) as response:
            body = await _up_to(response, count)
            return Received(body, _commit(response), _total_bytes(response))

    @asynccontextmanager
    async def answer(self, file: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """A successful answer for a file, its body not read yet; closing it drops the rest.

        Raises:
            SourceNotFoundError: it does not exist.
            SourceUnreadableError: it cannot be had.
        """
        async with self.answer_to(self._url(file), file, headers) as response:
            yield response

    @asynccontextmanager
    async def answer_to(
        self, url: str, file: str, headers: dict[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Likewise for an address of the endpoint; ``file`` says in messages what was wanted."""
        sent = {"Accept-Encoding": "identity", **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            async with self.client.stream(
                "GET", url, headers=sent, follow_redirects=True
            ) as response:
                if not response.is_success:
                    raise self._refused(file, response)
                yield response
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise SourceUnreadableError(
                f"HF_ENDPOINT: {self.endpoint} is not an address ({error}); give https://host"
            ) from error
        except httpx.HTTPError as error:
            raise BusyError(
                f"{self.label(file)}: {self.endpoint} did not answer "
                f"({type(error).__name__}: {error}); it is tried again"
            ) from error

    def _url(self, file: str) -> str:
        revision = quote(self.revision, safe="")
        return f"{self.endpoint}/{quote(self.name)}/resolve/{revision}/{quote(file)}"

    def _refused(self, file: str, response: httpx.Response) -> SourceError:
        """What a refusal means, by its status and the Hub's own word for it."""
        status, word = response.status_code, response.headers.get("X-Error-Code", "")
        if word == "RepoNotFound":
            hint = "" if self.token else ", or is private and needs a token (spec.model.secretRef)"
            return SourceNotFoundError(
                f"spec.model.source: hf://{self.name} does not exist at {self.endpoint}{hint}; "
                "check the name"
            )
        if word == "RevisionNotFound":
            return SourceNotFoundError(
                f"spec.model.revision: hf://{self.name} has no branch, tag or commit "
                f'"{self.revision}"; main is the usual one'
            )
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return UnauthorizedError(
                f"{self.label(file)}: {self.endpoint} refuses it ({status}); {GATED}"
            )
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return SourceNotFoundError(
                f"spec.model.source: {self.label(file)} does not exist at {self.endpoint}; "
                "check source and revision"
            )
        told = f"{self.label(file)}: {self.endpoint} answered {status}"
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return BusyError(f"{told}; it is tried again", retry_after_seconds(response))
        return SourceUnreadableError(told)


async def _up_to(response: httpx.Response, count: int) -> bytes:
    """The first ``count`` bytes of the body, or all of it if there are fewer."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= count:
            break
    return bytes(body[:count])


def _commit(response: httpx.Response) -> str | None:
    """The commit, which the Hub's own answer names before it redirects."""
    for answer in (*response.history, response):
        commit: str | None = answer.headers.get("X-Repo-Commit")
        if commit:
            return commit
    return None


def _total_bytes(response: httpx.Response) -> int | None:
    """The whole file's size: behind the slash of a partial answer, else the answer's length."""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        span = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        return int(span[1]) if span else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None
