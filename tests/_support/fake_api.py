"""The list and watch half of an API server, with faults on cue.

The real one (see ``apiserver.py``) forgets no resource version within a test and never hangs up
in the middle of a watch; this one does both when told to.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

GROUP_PATH = "/apis/tierwise.dev/v1alpha1"


@dataclass(slots=True)
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]

    @property
    def kind(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "1"


@dataclass(slots=True)
class FakeApi:
    """Holds objects, answers lists, and streams what a test pushes to every open watch."""

    url: str = ""
    version: int = 10
    objects: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {
            "specialists": {},
            "gputiers": {},
            "tenants": {},
            "routerpolicies": {},
            "fieldprofiles": {},
            "rollouts": {},
        }
    )
    asked: list[Asked] = field(default_factory=list)
    refuse_with: dict[str, int] = field(default_factory=dict)
    page: int = 500
    _watches: dict[str, list[asyncio.StreamWriter]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _server: asyncio.Server | None = None

    @classmethod
    async def start(cls) -> Self:
        api = cls()
        api._server = await asyncio.start_server(api._serve, "127.0.0.1", 0)
        api.url = f"http://127.0.0.1:{api._server.sockets[0].getsockname()[1]}"
        return api

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for kind in list(self._watches):
            self.hang_up(kind)
        await self._server.wait_closed()

    async def until(self, what: Any) -> None:
        """Wait until a condition about this server holds."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(what)

    async def watched(self, kind: str, times: int = 1) -> None:
        """Wait until a kind was watched so often."""
        await self.until(
            lambda: sum(ask.is_watch and ask.kind == kind for ask in self.asked) >= times
        )

    def put(self, kind: str, item: dict[str, Any]) -> dict[str, Any]:
        """Store an object under the next resource version, without telling watches."""
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind][item["metadata"]["name"]] = item
        return item

    async def push(self, kind: str, event: str, item: dict[str, Any]) -> None:
        """Store (or delete) an object and tell the open watches."""
        self.put(kind, item)
        if event == "DELETED":
            del self.objects[kind][item["metadata"]["name"]]
        await self.say(kind, {"type": event, "object": item})

    async def say(self, kind: str, event: dict[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        for writer in self._watches[kind]:
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()

    def hang_up(self, kind: str) -> None:
        """Drop the open watches."""
        for writer in self._watches.pop(kind, []):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        target = urlsplit(head.split()[1])
        lines = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        asked = Asked(target.path, query, {name.lower(): value for name, value in lines})
        keep = await self._reply(asked, writer)
        async with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()
        return keep

    async def _reply(self, asked: Asked, writer: asyncio.StreamWriter) -> bool:
        what = "watch" if asked.is_watch else "list"
        if status := self.refuse_with.pop(f"{what} {asked.kind}", 0):
            writer.write(b"HTTP/1.1 %d No\r\ncontent-length: 2\r\n\r\n{}" % status)
            return True
        if asked.is_watch:
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self._watches[asked.kind].append(writer)
            return True
        body = json.dumps(self._list(asked)).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        return True

    def _list(self, asked: Asked) -> dict[str, Any]:
        items = list(self.objects[asked.kind].values())
        start = int(asked.query.get("continue", "0"))
        metadata: dict[str, str] = {"resourceVersion": str(self.version)}
        if start + self.page < len(items):
            metadata["continue"] = str(start + self.page)
        return {"metadata": metadata, "items": items[start : start + self.page]}


def specialist(name: str, *urls: str, namespace: str = "demo", field: str = "sorting") -> Any:
    """A Specialist as the API server has it, ready at some endpoints."""
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "managedFields": [{"manager": "kubectl", "fieldsV1": {}}],
        },
        "spec": {"field": field, "model": {"source": f"file:///models/{name}"}},
        "status": {"endpoints": [{"url": url} for url in urls]},
    }


def tier(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": name},
        "spec": {"gpu": {"product": "NVIDIA-GeForce-RTX-4090", "memory": "24Gi"}},
    }
