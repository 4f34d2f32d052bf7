"""All files of a repository of the Hub, to be fetched: its tree at a commit, with hashes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from tierwise_core.errors import SourceUnreadableError
from tierwise_core.remote_files import RemoteFile, RemoteTree
from tierwise_operator.sources.hub_http import HubRepository
from tierwise_operator.sources.ranges import within_range

__all__ = ["HubTree"]

MAX_FILES: Final = 10_000
MAX_PAGE_BYTES: Final = 16 * 2**20


@dataclass(slots=True)
class HubTree:
    """The repository; see :class:`~tierwise_operator.sources.origin.Origin`.

    Once listed, everything is asked at the commit that the revision meant then.
    """

    repository: HubRepository

    @property
    def label(self) -> str:
        """The source as it stands in the manifest."""
        return f"hf://{self.repository.name}@{self.repository.revision}"

    @property
    def place(self) -> str:
        """Hub and repository."""
        return f"hf {self.repository.endpoint} {self.repository.name}"

    async def tree(self) -> RemoteTree:
        """The files at the commit: large ones with their SHA-256, small ones with git's hash."""
        commit = await self._commit()
        self.repository = self.repository.at(commit)
        path = f"api/models/{quote(self.repository.name)}/tree/{commit}?recursive=true"
        files: list[RemoteFile] = []
        url: str | None = f"{self.repository.endpoint}/{path}"
        while url is not None:
            listed, url = await self._page(url)
            files += [_file(item) for item in listed if item.get("type") == "file"]
            if len(files) > MAX_FILES:
                raise SourceUnreadableError(
                    f"spec.model.source: {self.label} has over {MAX_FILES} files; it is no model"
                )
        return RemoteTree(commit, tuple(files))

    async def chunks(
        self, file: RemoteFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range, also from a server that ignores ranges."""
        end = file.size_bytes if stop is None else min(stop, file.size_bytes)
        if start >= end:
            return
        headers = {"Range": f"bytes={start}-{end - 1}"}
        async with self.repository.answer(file.path, headers) as response:
            async for wanted in within_range(response, start, end):
                yield wanted

    async def _commit(self) -> str:
        name, revision = quote(self.repository.name), quote(self.repository.revision, safe="")
        url = f"{self.repository.endpoint}/api/models/{name}/revision/{revision}"
        async with self.repository.answer_to(url, "its revision", {}) as response:
            found = _json(await _body(response), url)
        commit = found.get("sha") if isinstance(found, dict) else None
        if not isinstance(commit, str) or not commit.isalnum():
            raise SourceUnreadableError(
                f"spec.model.source: {url} names no commit; is HF_ENDPOINT a mirror of the Hub?"
            )
        return commit

    async def _page(self, url: str) -> tuple[list[Any], str | None]:
        async with self.repository.answer_to(url, "its files", {}) as response:
            found = _json(await _body(response), url)
            following = self._next(response)
        if not isinstance(found, list):
            raise SourceUnreadableError(f"spec.model.source: {url} lists no files")
        return [item for item in found if isinstance(item, dict)], following

    def _next(self, response: httpx.Response) -> str | None:
        """The next page. A mirror may pass on the Hub's own link; it is asked of the mirror."""
        found = response.links.get("next", {}).get("url")
        if not found:
            return None
        following = response.url.join(found)
        if following.netloc == response.url.netloc:
            return str(following)
        return self.repository.endpoint + following.raw_path.decode()


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_PAGE_BYTES:
            raise SourceUnreadableError(f"{response.url} has over {MAX_PAGE_BYTES} bytes")
    return bytes(body)


def _json(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise SourceUnreadableError(f"spec.model.source: {url} is not JSON ({error})") from error


def _file(item: dict[str, Any]) -> RemoteFile:
    """A large file has the SHA-256 of its content, a small one git's hash of it."""
    large = item.get("lfs") or {}
    size = int(large.get("size") or item.get("size") or 0)
    content = large.get("oid") or large.get("sha256")
    identity = f"sha256:{content}" if content else f"git-sha1:{item.get('oid', '')}"
    return RemoteFile(str(item.get("path", "")), size, identity)
