"""Asks engine pods for their metrics: many at once, each for a short time, none for another."""

import asyncio
from collections.abc import Iterable, Mapping

import httpx

from tierwise_core.engine import PORT
from tierwise_core.engine_metrics import EngineMetrics, parse_engine_metrics
from tierwise_core.fleet import Pod

AT_ONCE = 64
PATIENCE_SECONDS = 1.5
PAGE_LIMIT_BYTES = 4 * 1024 * 1024


class EngineScraper:
    """Reads ``/metrics`` of engine pods.

    A pod has a fixed time to answer, connecting included, and a bounded number is asked at once:
    a round over n pods of which d are dead takes about ``d / AT_ONCE`` times the patience more
    than one over living ones, and its result has every pod that answered.
    """

    def __init__(
        self,
        client: httpx.AsyncClient | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        at_once: int = AT_ONCE,
    ) -> None:
        self._client = client or httpx.AsyncClient(
            trust_env=False,  # pods are never behind the proxy that the internet is behind
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=1024),
        )
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
        await self._client.aclose()

    async def _one(self, pod: Pod) -> EngineMetrics | None:
        async with self._slots:
            try:
                async with asyncio.timeout(self._patience_seconds):
                    page = await self._page(metrics_url(pod))
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError):
                return None
        return parse_engine_metrics(page)

    async def _page(self, url: str) -> str:
        async with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            parts, size = [], 0
            async for part in answer.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > PAGE_LIMIT_BYTES:
                    break
        return b"".join(parts).decode(errors="replace")


def metrics_url(pod: Pod) -> str:
    """Return where a pod tells its metrics.

    >>> metrics_url(Pod("ai", "sorter-1", ip="10.1.2.3")), metrics_url(Pod("ai", "s", ip="fd00::7"))
    ('http://10.1.2.3:8000/metrics', 'http://[fd00::7]:8000/metrics')
    """
    host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
    return f"http://{host}:{PORT}/metrics"
