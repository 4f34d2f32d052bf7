"""The adapters of one running engine, over its own API: which it has, load one, unload one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from posixpath import basename
from typing import Any, Final, Protocol

import httpx

from tierwise_core.adapter_container import ADAPTER_FETCHER, FETCH_PORT, FETCHED_PATH
from tierwise_core.adapters import Load, Step
from tierwise_core.engine import PORT
from tierwise_core.errors import TierwiseError

__all__ = ["AdapterDoor", "EngineRefusedError", "EngineSilentError", "HttpAdapterDoor"]

LOOK_SECONDS: Final = 5.0
LOAD_SECONDS: Final = 300.0
FETCH_SECONDS: Final = 3600.0
UNLOAD_SECONDS: Final = 15.0
MAX_ANSWER_BYTES: Final = 4 * 2**20
SAID_LIMIT: Final = 600
UNBOUNDED: Final = httpx.Limits(max_connections=None, max_keepalive_connections=256)


class EngineSilentError(TierwiseError):
    """The engine did not answer, or not in its own words."""

    reason = "EngineSilent"
    retryable = True


class EngineRefusedError(TierwiseError):
    """The engine answered that it will not; the message is its own."""

    reason = "EngineRefused"
    retryable = True


class AdapterDoor(Protocol):
    """What is asked of an engine."""

    async def loaded(self, url: str) -> Mapping[str, str]:
        """Return the paths of the adapters that the engine has, by served name.

        Raises:
            EngineSilentError: it did not answer.
        """

    async def carry_out(self, url: str, step: Step) -> None:
        """Load or unload an adapter.

        Raises:
            EngineRefusedError: the engine will not; the message says why.
            EngineSilentError: it did not answer, so it may or may not have done it.
        """

    async def close(self) -> None:
        """Close the connections."""


class HttpAdapterDoor:
    """vLLM's ``/v1/models``, ``/v1/load_lora_adapter`` and ``/v1/unload_lora_adapter``."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        # Pods are never behind the proxy that the internet is behind.
        self._client = client or httpx.AsyncClient(trust_env=False, limits=UNBOUNDED)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def loaded(self, url: str) -> Mapping[str, str]:
        """Return the paths of the adapters that the engine has, by served name."""
        status, body = await self._ask("GET", f"{url}/v1/models", None, LOOK_SECONDS)
        if status != HTTPStatus.OK:
            raise EngineSilentError(f"GET /v1/models was answered with {status}")
        return _adapters(body)

    async def carry_out(self, url: str, step: Step) -> None:
        """Load or unload an adapter."""
        if isinstance(step, Load):
            await self._load(url, step)
        else:
            body = {"lora_name": step.served}
            await self._must("POST", f"{url}/v1/unload_lora_adapter", body, UNLOAD_SECONDS)
            await self._drop(url, step.path)

    async def _load(self, url: str, step: Load) -> None:
        if step.source:
            await self._fetch(url, step)
        # Replaced in one step, there is no moment in which nobody answers to the name.
        files = {"lora_path": step.path, "load_inplace": bool(step.before)}
        body = {"lora_name": step.served, **files}
        await self._must("POST", f"{url}/v1/load_lora_adapter", body, LOAD_SECONDS)
        await self._drop(url, step.before)

    async def _fetch(self, url: str, step: Load) -> None:
        """Have the container beside the engine fetch the files; what is there is not fetched."""
        try:
            await self._must(
                "PUT", _fetched(url, step.path), {"source": step.source}, FETCH_SECONDS
            )
        except EngineSilentError as error:
            raise EngineRefusedError(
                f"the pod's container {ADAPTER_FETCHER!r} does not fetch {step.source}: {error}"
            ) from error

    async def _drop(self, url: str, path: str) -> None:
        """Let fetched files go that nobody uses any more; they leave with the pod in any case."""
        if path.startswith(f"{FETCHED_PATH}/"):
            with suppress(EngineSilentError, EngineRefusedError):
                await self._must("DELETE", _fetched(url, path), None, UNLOAD_SECONDS)

    async def _must(
        self, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> None:
        status, answer = await self._ask(method, url, body, seconds)
        if status != HTTPStatus.OK:
            raise EngineRefusedError(_said(status, answer))

    async def _ask(
        self, method: str, url: str, body: Mapping[str, Any] | None, seconds: float
    ) -> tuple[int, bytes]:
        timeout = httpx.Timeout(seconds, connect=LOOK_SECONDS)
        try:
            async with self._client.stream(method, url, json=body, timeout=timeout) as answer:
                return answer.status_code, await _up_to(answer, MAX_ANSWER_BYTES)
        except httpx.HTTPError as error:
            raise EngineSilentError(f"{method} {url}: {error!r}") from error


def _fetched(url: str, path: str) -> str:
    """The address of an adapter at the container that fetches.

    >>> _fetched("http://10.0.0.7:8000", "/mnt/tierwise/adapters/12ab")
    'http://10.0.0.7:8001/adapters/12ab'
    """
    return f"{url.removesuffix(str(PORT))}{FETCH_PORT}/adapters/{basename(path)}"


async def _up_to(answer: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise EngineSilentError(f"the engine answered more than {limit} bytes")
    return bytes(body)


def _adapters(body: bytes) -> Mapping[str, str]:
    """The cards that have a parent; those of base models have none.

    >>> _adapters(b'{"data": [{"id": "s"}, {"id": "s:a", "root": "/a", "parent": "s"}]}')
    {'s:a': '/a'}
    """
    try:
        cards = json.loads(body)["data"]
        return {str(c["id"]): str(c.get("root") or "") for c in cards if c.get("parent")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineSilentError(f"GET /v1/models was answered with no list: {error!r}") from error


def _said(status: int, body: bytes) -> str:
    """What an error answer says, in one line.

    >>> _said(400, b'{"error": {"message": "LoRA rank 64 is greater than max_lora_rank 16."}}')
    'LoRA rank 64 is greater than max_lora_rank 16. (400)'
    >>> _said(404, b'{"detail": "Not Found"}')
    'the engine takes no adapters at run time: it was started without --enable-lora (404)'
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        answer = {"message": body.decode(errors="replace")}
    if status == HTTPStatus.NOT_FOUND and answer.get("detail") == "Not Found":
        return (
            "the engine takes no adapters at run time: it was started without --enable-lora (404)"
        )
    inner = answer.get("error")
    told = inner if isinstance(inner, dict) else answer
    words = " ".join(str(told.get("message") or told.get("detail") or "no reason given").split())
    return f"{words[:SAID_LIMIT]} ({status})"
