"""An embeddings endpoint is heard when it comes in time, and missed by nobody when it does not."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tierwise_core.policy_classifier import EmbeddingsEndpoint
from tierwise_router.classifier import FieldClassifier
from tierwise_router.second_opinion import SecondOpinion
from tierwise_router.secret_files import SecretFiles

EXAMPLES = {
    "medicine": ("my doctor gave me pills", "which pills for a fever", "the doctor saw a rash"),
    "law": ("the judge read the contract", "is the contract void", "the court heard the judge"),
}
ALIKE = {"zorgle": "doctor", "quibbet": "pills", "framnitz": "judge", "plonty": "contract"}
UNHEARD = "zorgle quibbet"
"""Words that no table knows; the endpoint takes them for doctor and pills."""

DIMENSIONS = 64


def embedding(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for word in text.lower().split():
        vector[zlib.crc32(ALIKE.get(word, word).encode()) % DIMENSIONS] += 1.0
    return vector


class Embedder:
    """A real server on this machine; ``held`` keeps questions waiting, ``answer`` replaces it."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.held.set()
        self.broken: bytes | None = None
        self.keys: list[str | None] = []
        self.texts: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, texts: list[str]) -> bytes:
        rows = [{"index": i, "embedding": embedding(text)} for i, text in enumerate(texts)]
        return json.dumps({"data": rows[::-1]}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        embedder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                embedder.keys.append(self.headers["authorization"])
                embedder.texts += asked["input"]
                if len(asked["input"]) == 1:
                    embedder.held.wait(30)
                broken = embedder.broken if len(asked["input"]) == 1 else None
                body = embedder.answer(asked["input"]) if broken is None else broken
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def embedder() -> Iterator[Embedder]:
    one = Embedder()
    one.thread.start()
    yield one
    one.held.set()
    one.server.shutdown()
    one.thread.join()
    one.server.server_close()


async def learned(embedder: Embedder, tmp_path: Path, **changed: Any) -> SecondOpinion:
    opinion = SecondOpinion(SecretFiles(str(tmp_path)))
    opinion.follow(
        EmbeddingsEndpoint(embedder.url, "toy", **{"timeout_seconds": 20.0, **changed}), EXAMPLES
    )
    assert opinion._learning is not None
    await opinion._learning
    assert opinion.active
    return opinion


async def test_it_knows_what_words_alone_do_not(embedder: Embedder, tmp_path: Path) -> None:
    opinion = await learned(embedder, tmp_path)
    builtin = FieldClassifier.train(EXAMPLES).read(UNHEARD)

    await opinion.hear(UNHEARD)
    refined = opinion.refined(UNHEARD, builtin)

    assert builtin.probabilities["medicine"] < 0.6
    assert refined.probabilities["medicine"] > 0.8
    await opinion.close()


async def test_a_slow_endpoint_is_not_waited_for_and_counts_the_next_time(
    embedder: Embedder, tmp_path: Path
) -> None:
    opinion = await learned(embedder, tmp_path, timeout_seconds=0.01)
    builtin = FieldClassifier.train(EXAMPLES).read(UNHEARD)
    embedder.held.clear()

    await opinion.hear(UNHEARD)
    meanwhile = opinion.refined(UNHEARD, builtin)
    embedder.held.set()
    await asyncio.gather(*opinion._asked.values())

    assert meanwhile == builtin
    assert opinion.refined(f"please {UNHEARD}!", builtin).probabilities["medicine"] > 0.8
    await opinion.close()


async def test_one_question_is_asked_once(embedder: Embedder, tmp_path: Path) -> None:
    opinion = await learned(embedder, tmp_path)

    await asyncio.gather(*(opinion.hear(UNHEARD) for _ in range(8)))
    await opinion.hear(UNHEARD.upper())

    assert embedder.texts.count(UNHEARD) == 1
    assert UNHEARD.upper() not in embedder.texts
    await opinion.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>",
        b"{}",
        b'{"data": []}',
        b'{"data": [{"index": 0, "embedding": "x"}]}',
        b'{"data": [{"index": 0, "embedding": [NaN]}]}',
        b'{"data": [{"index": 0, "embedding": [1, 2]}]}',
        b'{"data": [{"embedding": [1]}]}',
        b"[1]",
    ],
)
async def test_garbage_leaves_the_built_in_answer(
    embedder: Embedder, tmp_path: Path, garbage: bytes
) -> None:
    opinion = await learned(embedder, tmp_path)
    builtin = FieldClassifier.train(EXAMPLES).read(UNHEARD)
    embedder.broken = garbage

    await opinion.hear(UNHEARD)

    assert opinion.refined(UNHEARD, builtin) == builtin
    asked = len(embedder.texts)
    await opinion.hear("another question")
    assert len(embedder.texts) == asked
    await opinion.close()


async def test_the_key_of_the_secret_is_sent(embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "embedder").mkdir()
    (tmp_path / "embedder" / "key").write_text("made-up\n")

    opinion = await learned(embedder, tmp_path, secret=("embedder", "key"))

    assert set(embedder.keys) == {"Bearer made-up"}
    await opinion.close()


async def test_a_policy_without_endpoint_ends_it(embedder: Embedder, tmp_path: Path) -> None:
    opinion = await learned(embedder, tmp_path)
    await opinion.hear(UNHEARD)
    builtin = FieldClassifier.train(EXAMPLES).read(UNHEARD)

    opinion.follow(None, EXAMPLES)

    assert not opinion.active
    await opinion.hear(UNHEARD)
    assert opinion.refined(UNHEARD, builtin) == builtin
    await opinion.close()


async def test_nobody_at_the_address_leaves_the_router_without_it(tmp_path: Path) -> None:
    opinion = SecondOpinion(SecretFiles(str(tmp_path)))
    opinion.follow(EmbeddingsEndpoint("http://127.0.0.1:9/v1", "toy"), EXAMPLES)

    await opinion.hear(UNHEARD)

    assert not opinion.active
    await opinion.close()
