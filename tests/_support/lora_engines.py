"""Engines that take adapters: in memory behind the operator's door, and one that speaks HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fake_engine import Turn

from tierwise_core.adapters import Load, Step
from tierwise_operator.adapter_engine import EngineRefusedError, EngineSilentError

BASE = "sorter"


@dataclass
class LoraEngine:
    """What one engine has; it may be silent, refuse paths, or take for ever over them."""

    loaded: dict[str, str] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    silent: bool = False
    steps: list[Step] = field(default_factory=list)
    looks: int = 0


@dataclass
class FakeDoor:
    """Implements `AdapterDoor` for engines in memory, by their URL."""

    engines: dict[str, LoraEngine] = field(default_factory=dict)

    def at(self, ip: str) -> LoraEngine:
        return self.engines.setdefault(f"http://{ip}:8000", LoraEngine())

    async def loaded(self, url: str) -> Mapping[str, str]:
        engine = self.engines.setdefault(url, LoraEngine())
        engine.looks += 1
        if engine.silent:
            raise EngineSilentError("no answer")
        return dict(engine.loaded)

    async def carry_out(self, url: str, step: Step) -> None:
        engine = self.engines[url]
        if step.path in engine.hangs:
            await asyncio.Event().wait()
        if step.path in engine.refuses:
            raise EngineRefusedError(engine.refuses[step.path])
        engine.steps.append(step)
        if isinstance(step, Load):
            engine.loaded[step.served] = step.path
        else:
            del engine.loaded[step.served]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class HttpLoraEngine:
    """The script of a `FakeEngine` that answers as vLLM does with --enable-lora."""

    loaded: dict[str, str] = field(default_factory=dict)
    refuses: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    async def __call__(self, turn: Turn) -> None:
        path = turn.request.path
        if path == "/v1/models":
            await self._say(turn, HTTPStatus.OK, self._models())
            return
        fields = turn.request.fields
        self.asked.append((path, fields))
        name = fields["lora_name"]
        if path == "/v1/load_lora_adapter":
            await self._load(turn, name, fields)
        elif name in self.loaded:
            del self.loaded[name]
            await turn.whole(200, b"Success")
        else:
            await self._refuse(turn, 404, f"The lora adapter '{name}' cannot be found.")

    async def _load(self, turn: Turn, name: str, fields: dict[str, object]) -> None:
        where = str(fields["lora_path"])
        if where in self.refuses:
            await self._refuse(turn, 500, self.refuses[where])
        elif name in self.loaded and not fields.get("load_inplace"):
            await self._refuse(turn, 400, f"The lora adapter '{name}' has already been loaded.")
        else:
            self.loaded[name] = where
            await turn.whole(200, b"Success")

    def _models(self) -> dict[str, object]:
        base = {"id": BASE, "object": "model", "root": "/models/sorter", "parent": None}
        adapters = [
            {"id": name, "object": "model", "root": path, "parent": BASE}
            for name, path in self.loaded.items()
        ]
        return {"object": "list", "data": [base, *adapters]}

    async def _refuse(self, turn: Turn, status: int, message: str) -> None:
        error = {"message": message, "type": "BadRequestError", "code": status}
        await self._say(turn, status, {"error": error})

    async def _say(self, turn: Turn, status: int, body: object) -> None:
        await turn.whole(status, json.dumps(body).encode())


@dataclass
class HttpFetcher:
    """The script of a `FakeEngine` that fetches whatever it is told to."""

    asked: list[str] = field(default_factory=list)

    async def __call__(self, turn: Turn) -> None:
        request = turn.request
        words = [request.method, request.path]
        if request.body:
            words.append(request.fields["source"])
        self.asked.append(" ".join(words))
        await turn.whole(200, b"{}")
