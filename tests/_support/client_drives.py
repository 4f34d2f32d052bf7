"""Has a real client drive a router: its cases run in the client tests' environment."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from dispatchers import ADDING, Running, route, until
from fake_engine import FakeEngine
from openai_engine import OpenAIEngine
from real_engine import engine_metric

import clientenv
from tierwise_core.tenant import TenantRoute

DRIVERS: Final = Path(__file__).parent / "drivers"
PATIENCE_S: Final = 180
GENERATED: Final = "vllm:generation_tokens_total"
ENDLESS_TOKENS: Final = 240
OFFLINE: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LANGSMITH_TRACING": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
    "NO_PROXY": "127.0.0.1,localhost",
}

Told = Mapping[str, Mapping[str, Any]]
"""What came of each case, by its name."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What a client was told, and whether its engine stopped before it had made it all."""

    told: Told
    stopped: bool

    def got(self, case: str) -> Any:
        """What a case gave; fails with its error if it ended with one."""
        line = self.told[case]
        assert "got" in line, line
        return line["got"]

    def error(self, case: str) -> tuple[str, int | None, str | None, str]:
        """The error of a case: its class, status, code and words."""
        line = self.told[case]
        assert "error" in line, line
        return line["error"], line["status"], line["code"], line["message"]


async def drive_beside_the_fake(name: str, only: str = "", key: str = "") -> Driven:
    """Drive a router before a scripted engine; ``only`` is the one case to run.

    With a key there is one tenant, who has it.
    """
    script = OpenAIEngine()
    engine = await FakeEngine.start(script)
    try:
        told = await _drive(name, engine.url, only, key)
        await until(lambda: script.left == script.endless)
    finally:
        await engine.stop()
    return Driven(told, script.left > 0)


async def drive_beside_vllm(name: str, only: str = "", *, engine_url: str) -> Driven:
    """Drive a router before the real engine."""
    before = engine_metric(engine_url, GENERATED)
    told = await _drive(name, engine_url, only)
    await until(lambda: not engine_metric(engine_url, "vllm:num_requests_running"))
    return Driven(told, engine_metric(engine_url, GENERATED) - before < ENDLESS_TOKENS)


async def _drive(name: str, engine_url: str, only: str, key: str = "") -> Told:
    absent = route("absent", field="adding", examples=ADDING)
    tenants = [TenantRoute("demo", "team", (sha256(key.encode()).hexdigest(),))] if key else []
    router = await Running.start(route("sorter", engine_url), absent, tenants=tenants)
    try:
        return await told_by(name, router.url, only, key or "any")
    finally:
        await router.stop()


async def told_by(name: str, url: str, only: str = "", key: str = "any") -> Told:
    """Run a driver's cases against a router; fails with what it printed when it ends early."""
    client = clientenv.ensure()
    driver = DRIVERS / name
    program = client.node if driver.suffix == ".cjs" else client.python
    printed = await run([str(program), str(driver), only], url, key)
    lines = [line[5:] for line in printed.splitlines() if line.startswith("CASE ")]
    return {line["case"]: line for line in map(json.loads, lines)}


def tool(name: str) -> str:
    """The path of a program: the environment's own, or else the system's."""
    own = clientenv.ensure().programs / name
    return str(own) if own.exists() else name


async def run(
    command: Sequence[str], url: str, key: str = "any", folder: Path | None = None
) -> str:
    """Run a program in the environment, in a folder; return what it printed."""
    client = clientenv.ensure()
    path = f"{client.programs}{os.pathsep}{os.environ['PATH']}"
    given = {"ROUTER_URL": url, "ROUTER_KEY": key, "PATH": path}
    modules = {"NODE_PATH": str(client.javascript / "node_modules")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | OFFLINE | modules | given,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    text = printed.decode(errors="replace")
    assert process.returncode == 0, text[-4000:]
    return text
