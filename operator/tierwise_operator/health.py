"""``/healthz``, ``/readyz`` and ``/metrics``."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tierwise_operator.metrics import Metrics


@dataclass(slots=True)
class Health:
    """What the process says about itself; a standby that could take over is ready."""

    state: str = "starting"
    ready: bool = False
    alive: bool = True

    def becomes(self, state: str, *, ready: bool) -> None:
        """Note what the process is doing now."""
        self.state = state
        self.ready = ready


def application(health: Health, metrics: Metrics, refresh: Callable[[], None]) -> web.Application:
    """Return the HTTP application; ``refresh`` brings the gauges up to date before a scrape."""

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.state, good=health.alive)

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.state, good=health.ready)

    async def scrape(_: web.Request) -> web.Response:
        refresh()
        content = generate_latest(metrics.registry)
        return web.Response(body=content, headers={"Content-Type": CONTENT_TYPE_LATEST})

    served = web.Application()
    served.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", scrape)]
    )
    return served


def _answer(state: str, *, good: bool) -> web.Response:
    return web.Response(text=f"{state}\n", status=200 if good else 503)


async def serve(application: web.Application, host: str, port: int) -> web.AppRunner:
    """Listen, and return the runner to clean up."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
