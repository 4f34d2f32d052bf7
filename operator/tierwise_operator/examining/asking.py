"""Asks one engine one question, for an examination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import aiohttp

from tierwise_core.errors import TierwiseError

__all__ = ["AskEngine", "Asked", "EngineBusyError", "EngineDeclinedError", "HttpAsk"]

PATIENCE_S: Final = 120.0
LARGEST_ANSWER: Final = 4 * 2**20
SHOWN: Final = 300
PASSES: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)


class EngineBusyError(TierwiseError):
    """It did not answer now; another pod may, or the same one later."""

    reason = "EngineBusy"
    retryable = True


class EngineDeclinedError(TierwiseError):
    """It will never answer this: the request itself was refused."""

    reason = "EngineDeclined"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is sent."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    max_tokens: int


class AskEngine(Protocol):
    """Whoever can ask an engine."""

    async def ask(self, url: str, asked: Asked) -> str:
        """Return the text of the answer of the engine at ``url``.

        Raises:
            EngineBusyError: no answer now.
            EngineDeclinedError: no answer ever.
        """

    async def close(self) -> None:
        """Close the connections."""


class HttpAsk:
    """Asks by ``POST /v1/chat/completions``, at temperature 0; lives in one event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, url: str, asked: Asked) -> str:
        """Return the text of the answer.

        An engine whose context has no room for ``max_tokens`` more may use what there is.
        """
        body: dict[str, Any] = {
            "model": asked.model,
            "messages": list(asked.messages),
            "temperature": 0,
            "max_tokens": asked.max_tokens,
            "stream": False,
        }
        try:
            status, said = await self._post(f"{url}/v1/chat/completions", body)
            if status == HTTPStatus.BAD_REQUEST:
                del body["max_tokens"]
                status, said = await self._post(f"{url}/v1/chat/completions", body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EngineBusyError(f"{url}: {error!r}") from error
        if status == HTTPStatus.OK:
            return _text(url, said)
        told = f"{url} answered {status}: {str(said)[:SHOWN]}"
        if status in PASSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise EngineBusyError(told)
        raise EngineDeclinedError(told)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _post(self, url: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
            self._session = aiohttp.ClientSession(timeout=timeout)
        async with self._session.post(url, json=body, allow_redirects=False) as answer:
            if (answer.content_length or 0) > LARGEST_ANSWER:
                raise aiohttp.ClientPayloadError(f"an answer of {answer.content_length} bytes")
            try:
                return answer.status, await answer.json(content_type=None)
            except ValueError:
                return answer.status, None


def _text(url: str, said: Any) -> str:
    try:
        message = said["choices"][0]["message"]
    except (KeyError, IndexError, TypeError):
        raise EngineBusyError(f"{url}: an answer without choices: {str(said)[:SHOWN]}") from None
    # A model that calls a tool, or only thinks aloud, says nothing that could be compared.
    text = message.get("content") if isinstance(message, dict) else None
    return text if isinstance(text, str) else ""
