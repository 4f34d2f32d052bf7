"""An embeddings endpoint beside the built-in classifier: heard when it comes in time.

It learns from the same examples, in the background, whenever they or the policy change. A request
waits for it a bounded time; what comes later is remembered by the question's id, and counts when
the same question comes again. While it is slow, broken or away the built-in answer stands alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import numpy as np
import structlog
from numpy.typing import NDArray

from tierwise_core.field_reading import FieldReading
from tierwise_core.policy_classifier import EmbeddingsEndpoint
from tierwise_core.query import query_id
from tierwise_router.classifier.background import BACKGROUND
from tierwise_router.classifier.corpus import OUTSIDE
from tierwise_router.classifier.embedded import EmbeddedFields, chosen_examples, joined
from tierwise_router.secret_files import SecretFiles

__all__ = ["SecondOpinion"]

log = structlog.get_logger(__name__)

TEXTS_PER_CALL: Final = 64
MOST_REMEMBERED: Final = 20_000
MOST_UNDER_WAY: Final = 64
LONGEST_TEXT: Final = 2000
ANSWER_S: Final = 10.0
LEARN_ANSWER_S: Final = 120.0
RETRY_S: Final = (1.0, 5.0, 15.0, 60.0)
REST_S: Final = 2.0
"""After a failure nobody is asked for so long."""

Singles = NDArray[np.float32]


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    """The endpoint's answer cannot be used."""


class SecondOpinion:
    """What the endpoint says of questions; idle until a policy names one.

    Lives in one event loop. ``active`` is True when it has learned the present examples.
    """

    def __init__(self, secrets: SecretFiles) -> None:
        self._secrets = secrets
        self._endpoint: EmbeddingsEndpoint | None = None
        self._examples: Mapping[str, Sequence[str]] = {}
        self._fields: EmbeddedFields | None = None
        self._client: httpx.AsyncClient | None = None
        self._learning: asyncio.Task[None] | None = None
        self._readings: dict[str, FieldReading] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._rests_until = 0.0

    @property
    def active(self) -> bool:
        """Whether there is an opinion to be heard."""
        return self._fields is not None

    def follow(
        self, endpoint: EmbeddingsEndpoint | None, examples: Mapping[str, Sequence[str]]
    ) -> None:
        """Learn anew in the background if the endpoint or the examples are others than before."""
        if endpoint == self._endpoint and examples == self._examples:
            return
        self._forget()
        self._endpoint, self._examples = endpoint, examples
        if endpoint is not None and any(examples.values()):
            self._client = httpx.AsyncClient(timeout=ANSWER_S)
            self._learning = asyncio.create_task(self._learn(endpoint, self._client, examples))

    async def hear(self, text: str) -> None:
        """Wait for the opinion on a text, the policy's time-out at most; never raises."""
        endpoint = self._endpoint
        if self._fields is None or endpoint is None:
            return
        named = query_id(text)
        if named in self._readings:
            return
        asked = self._asked.get(named) or self._ask(named, text)
        if asked is not None:
            await asyncio.wait((asked,), timeout=endpoint.timeout_seconds)

    def refined(self, text: str, reading: FieldReading) -> FieldReading:
        """Join the built-in reading with the opinion, where there is one."""
        opinion = self._readings.get(query_id(text))
        endpoint = self._endpoint
        if opinion is None or endpoint is None or not reading.probabilities:
            return reading
        return joined(reading, opinion, endpoint.weight)

    async def close(self) -> None:
        """End what is under way."""
        ending = [task for task in (self._learning, *self._asked.values()) if task is not None]
        client = self._client
        self._forget()
        await asyncio.gather(*ending, return_exceptions=True)
        if client is not None:
            await client.aclose()

    def _forget(self) -> None:
        for task in (self._learning, *self._asked.values()):
            if task is not None:
                task.cancel()
        self._fields = self._client = self._learning = None
        self._readings, self._asked = {}, {}
        self._rests_until = 0.0

    def _ask(self, named: str, text: str) -> asyncio.Task[None] | None:
        now = asyncio.get_running_loop().time()
        if now < self._rests_until or len(self._asked) >= MOST_UNDER_WAY:
            return None
        asked = self._asked[named] = asyncio.create_task(self._note(named, text))
        return asked

    async def _note(self, named: str, text: str) -> None:
        endpoint, client, fields = self._endpoint, self._client, self._fields
        if endpoint is None or client is None or fields is None:
            return
        try:
            vectors = await self._vectors(endpoint, client, [text], ANSWER_S)
            reading = fields.read(vectors[0])
        except (httpx.HTTPError, httpx.InvalidURL, _Refused, ValueError, KeyError) as error:
            self._rests_until = asyncio.get_running_loop().time() + REST_S
            log.warning("embeddings endpoint failed; classifying without it", error=_words(error))
        else:
            if len(self._readings) >= MOST_REMEMBERED:
                self._readings.clear()
            self._readings[named] = reading
        finally:
            self._asked.pop(named, None)

    async def _learn(
        self,
        endpoint: EmbeddingsEndpoint,
        client: httpx.AsyncClient,
        examples: Mapping[str, Sequence[str]],
    ) -> None:
        chosen = chosen_examples(examples)
        texts = [*(text for found in chosen.values() for text in found), *BACKGROUND]
        labels = [number for number, found in enumerate(chosen.values()) for _ in found]
        labels += [OUTSIDE] * len(BACKGROUND)
        failures = 0
        while True:
            try:
                vectors = await self._vectors(endpoint, client, texts, LEARN_ANSWER_S)
                # Solving takes long enough to be felt by the requests in this loop.
                self._fields = await asyncio.to_thread(
                    EmbeddedFields.train, tuple(chosen), labels, vectors
                )
            except (httpx.HTTPError, httpx.InvalidURL, _Refused, ValueError, KeyError) as error:
                log.warning("embeddings endpoint cannot be learned from", error=_words(error))
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            else:
                log.info("embeddings endpoint learned", model=endpoint.model, texts=len(texts))
                return

    async def _vectors(
        self,
        endpoint: EmbeddingsEndpoint,
        client: httpx.AsyncClient,
        texts: Sequence[str],
        timeout_s: float,
    ) -> Singles:
        headers = {}
        if endpoint.secret is not None:
            headers["authorization"] = f"Bearer {self._secrets[endpoint.secret]}"
        found: list[Any] = []
        for start in range(0, len(texts), TEXTS_PER_CALL):
            part = [text[:LONGEST_TEXT] for text in texts[start : start + TEXTS_PER_CALL]]
            reply = await client.post(
                f"{endpoint.base_url}/embeddings",
                json={"model": endpoint.model, "input": part},
                headers=headers,
                timeout=timeout_s,
            )
            reply.raise_for_status()
            found += _rows(reply.json(), len(part))
        return _checked(found)


def _rows(body: Any, count: int) -> list[Any]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        raise _Refused(f"it gave no {count} embeddings for {count} texts")
    try:
        in_order = sorted(rows, key=lambda row: int(row["index"]))
        return [row["embedding"] for row in in_order]
    except (TypeError, KeyError, ValueError):
        raise _Refused("its embeddings have no index") from None


def _checked(found: Sequence[Any]) -> Singles:
    try:
        vectors = np.array(found, dtype=np.float32)
    except (TypeError, ValueError):
        raise _Refused("its embeddings are no lists of numbers of one length") from None
    if vectors.ndim != 2 or not vectors.shape[1] or not np.isfinite(vectors).all():  # noqa: PLR2004
        raise _Refused("its embeddings are no lists of numbers of one length")
    return vectors


def _words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    if isinstance(error, KeyError):
        return f"the Secret {error} is not mounted"
    return str(error) or type(error).__name__
