"""Asks engine pods for their metrics: many at once, each for a short time, none for another."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus

import aiohttp

from tierwise_core.engine import PORT
from tierwise_core.engine_metrics import EngineMetrics, parse_engine_metrics
from tierwise_core.fleet import Pod

AT_ONCE = 64
PATIENCE_SECONDS = 1.5
PAGE_LIMIT_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 64 * 1024

Fetch = Callable[[str], Awaitable[str]]
"""Gets a page; raises OSError or aiohttp's ClientError when there is none."""


class Pages:
    """Pages over HTTP, one connection kept per pod; lives in one event loop.

    aiohttp and not httpx: with 300 pods, httpx looks through all its connections for each request.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> str:
        """Get a page, or its beginning if it is larger than any engine's."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=1, keepalive_timeout=60.0)
            self._session = aiohttp.ClientSession(connector=connector)
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status != HTTPStatus.OK:
                raise ConnectionError(f"{url} answered {answer.status}")
            parts, size = [], 0
            async for part in answer.content.iter_chunked(PIECE_BYTES):
                parts.append(part)
                size += len(part)
                if size > PAGE_LIMIT_BYTES:
                    break
        return b"".join(parts).decode(errors="replace")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


class EngineScraper:
    """Reads ``/metrics`` of engine pods.

    A pod has a fixed time to answer, connecting included, and a bounded number is asked at once:
    a round over n pods of which d are dead takes about ``d / AT_ONCE`` times the patience more
    than one over living ones, and its result has every pod that answered.
    """

    def __init__(
        self,
        fetch: Fetch | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        at_once: int = AT_ONCE,
    ) -> None:
        self._pages = Pages()
        self._fetch = fetch or self._pages.get
        self._patience_seconds = patience_seconds
        self._slots = asyncio.Semaphore(at_once)

    async def scrape(self, pods: Iterable[Pod]) -> Mapping[str, EngineMetrics]:
        """Return the metrics of every pod that answered in time, by the pod's key."""
        wanted = [pod for pod in pods if pod.ip]
        answers = await asyncio.gather(*(self._one(pod) for pod in wanted))
        return {
            pod.key: found for pod, found in zip(wanted, answers, strict=True) if found is not None
        }

    async def close(self) -> None:
        """Close the connections."""
        await self._pages.close()

    async def _one(self, pod: Pod) -> EngineMetrics | None:
        async with self._slots:
            try:
                async with asyncio.timeout(self._patience_seconds):
                    page = await self._fetch(metrics_url(pod))
            except (aiohttp.ClientError, TimeoutError, OSError):
                return None
        return parse_engine_metrics(page)


def metrics_url(pod: Pod) -> str:
    """Return where a pod tells its metrics.

    >>> metrics_url(Pod("ai", "sorter-1", ip="10.1.2.3")), metrics_url(Pod("ai", "s", ip="fd00::7"))
    ('http://10.1.2.3:8000/metrics', 'http://[fd00::7]:8000/metrics')
    """
    host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
    return f"http://{host}:{PORT}/metrics"
