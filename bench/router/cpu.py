"""What does one request cost the dispatcher's own code? Processor time, on however busy a machine.

The whole dispatcher runs in this process, with tenant, classifier, plan, judgement and journal; its
transports are no sockets: what it writes is answered at once. So there is no kernel and no waiting
in the figures, and two versions of the code can be compared while others use the machine: they
take turns, and the median of the turns' ratios is told. A sampling timer finds where the time goes.

examples:
    python bench/router/cpu.py                        # auto and by name, by stage
    python bench/router/cpu.py --connections 16       # with many at the same time
    python bench/router/cpu.py --streams              # of 16 events that come one by one
    python bench/router/cpu.py --against HEAD~10      # beside an older commit, in turns
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TREE = Path(os.environ.get("BENCH_TREE", ROOT))
sys.path[:0] = [str(TREE / "operator"), str(TREE / "router"), str(Path(__file__).parent)]

import uvloop  # noqa: E402 - the path is set first
from load import KEY, bodies  # noqa: E402
from scene import resources  # noqa: E402
from upstream import ANSWER, FIRST, LAST  # noqa: E402
from upstream import HEAD as STREAM_HEAD  # noqa: E402

from tierwise_router.app import App  # noqa: E402
from tierwise_router.brain import Brain  # noqa: E402
from tierwise_router.dispatcher import Dispatcher  # noqa: E402
from tierwise_router.http1.server import Server  # noqa: E402
from tierwise_router.journal import Journal  # noqa: E402
from tierwise_router.settings import Settings  # noqa: E402
from tierwise_router.sources.files import read_resources  # noqa: E402
from tierwise_router.table import build_table  # noqa: E402

MODELS = {"by name": "bench/sorter", "auto": "auto"}
WARM, SAMPLED, SAMPLE_S = 2000, 20_000, 0.001
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n"
WHOLE = ((HEAD.format(len(ANSWER)) + ANSWER).encode(),)
STREAM = (STREAM_HEAD + FIRST, *[FIRST] * 14, LAST)
END = b"0\r\n\r\n"

# The first stage of which something is on the stack; what a turn of the event loop ends is written
# wherever it ends, and its answers go out behind it.
STAGES = (
    ("the record: its row", ("record.py:", "contents.py:")),
    ("the record: its line, the write", ("journal.py:", "journal_lines.py:")),
    ("counts", ("app.py:App._count", "planning.py:end")),
    ("HTTP with the engine", ("/upstream/",)),
    ("body for the engine", ("asking.py:judged_body", "call.py:Call.body_for")),
    ("read and judge the events", ("judged_stream.py:", "events.py:")),
    ("parse and judge the answer", ("auto.py:_judge", "answers.py:", "auto.py:_charge")),
    ("pass the events on", (":ServedExchange.piece", ":_relay_pieces", ":_tell_events")),
    ("headers and answer", ("completions.py:_tell", "relay.py:_relay_whole", "Turn.end")),
    ("classify", ("/classifier/",)),
    ("plan: predict, filter, score, pick", ("planning.py:plan_auto",)),
    ("breaker, queue, limits, balance", ("dispatch.py:", "attempts.py:", "/providers/")),
    ("read the request", ("call.py:", "json_body.py:", "completions.py:_text_of", "overflow.py:")),
    ("tenant, place among the others", ("admission.py:",)),
    ("between them: cascade, deadlines", ("app.py:App._infer",)),
    ("HTTP with the client, event loop", ("",)),
)


class Engine:
    """A transport that is no socket, and has an answer to whatever is written.

    Its parts come in a turn of the event loop each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, parts: Sequence[bytes] = WHOLE) -> None:
        self.loop = loop
        self.parts = parts
        self.protocol: Any = None

    def write(self, _data: bytes) -> None:
        self.loop.call_soon(self._tell, 0)

    def _tell(self, at: int) -> None:
        self.protocol.data_received(self.parts[at])
        if at + 1 < len(self.parts):
            self.loop.call_soon(self._tell, at + 1)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


class Client(Engine):
    """A transport whose other end asks again as soon as it is answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, requests: list[bytes], left: int) -> None:
        super().__init__(loop)
        self.requests = requests
        self.left = left
        self.begins = True
        self.done = loop.create_future()

    def write(self, data: bytes) -> None:
        if self.begins and not data.startswith(b"HTTP/1.1 200"):
            raise SystemExit(data.decode())
        self.begins = b"chunked" not in data if self.begins else data.endswith(END)
        if not self.begins:
            return
        self.left -= 1
        if self.left:
            again = self.requests[self.left % len(self.requests)]
            self.loop.call_soon(self.protocol.data_received, again)
        else:
            self.done.set_result(None)


class Connecting(asyncio.AbstractEventLoop):
    """The event loop, except that whoever connects gets an :class:`Engine`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, parts: Sequence[bytes]) -> None:
        self.loop = loop
        self.parts = parts
        self.time = loop.time  # type: ignore[method-assign]
        self.call_later = loop.call_later  # type: ignore[method-assign]
        self.create_future = loop.create_future  # type: ignore[method-assign]

    async def create_connection(self, protocol: Any, *_: Any, **__: Any) -> Any:
        engine = Engine(self.loop, self.parts)
        engine.protocol = protocol()
        engine.protocol.connection_made(engine)
        return engine, engine.protocol


def request_of(body: str, *, streams: bool) -> bytes:
    data = json.dumps(json.loads(body) | {"stream": True}).encode() if streams else body.encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {KEY}\r\n"
    return (
        f"{head}content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n".encode()
        + data
    )


async def ask(server: Server, requests: list[bytes], count: int, connections: int = 1) -> float:
    """Ask so many times, over connections that each wait for their answer.

    Gives microseconds of processor time for each request.
    """
    each = count // connections
    clients = [Client(server.loop, requests, each) for _ in range(connections)]
    for client in clients:
        client.protocol = server.connect()
        client.protocol.connection_made(client)
    began_at = time.process_time()
    for client in clients:
        client.protocol.data_received(requests[0])
    await asyncio.gather(*(client.done for client in clients))
    spent_s = time.process_time() - began_at
    for client in clients:
        client.protocol.connection_lost(None)
    return spent_s / (each * connections) * 1e6


def dispatcher_in(folder: Path, parts: Sequence[bytes]) -> Dispatcher:
    """Put a dispatcher together as a replica has it; its engines answer with these parts."""
    table, problems = build_table(read_resources([resources(folder, 1, 2)]))
    if problems:
        raise SystemExit("\n".join(str(problem) for problem in problems))
    dispatcher = Dispatcher.create(Settings(host="127.0.0.1", port=1, dispatchers=1))
    dispatcher.client._loop = Connecting(  # noqa: SLF001 - no sockets
        asyncio.get_running_loop(), parts
    )
    dispatcher.journal = Journal(folder / "journal", dispatcher.ids.process, 1 << 26)
    start: Any = dispatcher.journal.start
    try:
        start(in_turn=True)
    except TypeError:  # an older one was told the loop
        start(asyncio.get_running_loop())
    dispatcher.take(Brain.build(table))
    return dispatcher


async def measured(
    rounds: int, count: int, connections: int, *, stages: bool, streams: bool
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        dispatcher = dispatcher_in(Path(name), STREAM if streams else WHOLE)
        server = Server(App(dispatcher).answer, patience_s=60)
        found: dict[str, Any] = {}
        for title, model in MODELS.items():
            requests = [request_of(body, streams=streams) for body in bodies(model, large=False)]
            await ask(server, requests, WARM)
            gc.collect()
            gc.freeze()
            least = min([await ask(server, requests, count, connections) for _ in range(rounds)])
            found[title] = {"us": least}
            if stages:
                found[title]["stages"] = await sampled(server, requests, connections)
        if dispatcher.journal is not None:
            dispatcher.journal.close()
        return found


async def sampled(server: Server, requests: list[bytes], connections: int) -> dict[str, float]:
    """Look every millisecond of processor time at what is being done; gives shares."""
    seen: Counter[str] = Counter()

    def look(_signal: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            stack.append(f"{frame.f_code.co_filename}:{frame.f_code.co_qualname}")
            frame = frame.f_back
        seen[stage_of("\n".join(stack))] += 1

    before = signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    await ask(server, requests, SAMPLED, connections)
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)
    total = sum(seen.values()) or 1
    return {stage: seen[stage] / total for stage, _ in STAGES}


def stage_of(stack: str) -> str:
    return next(stage for stage, marks in STAGES if any(mark in stack for mark in marks))


@contextlib.contextmanager
def unpacked(revision: str) -> Iterator[Path]:
    """Unpack a commit's code for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as name:
        packed = subprocess.run(
            ["git", "archive", revision, "operator", "router"], cwd=ROOT, check=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        subprocess.run(["tar", "x", "-C", name], input=packed.stdout, check=True)
        yield Path(name)


def in_turns(revision: str, turns: int, options: Sequence[str]) -> None:
    """Compare this tree with a commit; each turn runs both, one after the other."""
    ratios: dict[str, list[float]] = {title: [] for title in MODELS}
    with unpacked(revision) as tree:
        for _ in range(turns):
            old, new = run_in(tree, options), run_in(ROOT, options)
            for title, seen in ratios.items():
                seen.append(new[title]["us"] / old[title]["us"])
                print(
                    f"{title:8} {old[title]['us']:7.1f} -> {new[title]['us']:7.1f} us", flush=True
                )
    for title, seen in ratios.items():
        print(f"{title}: {statistics.median(seen):.2f} of the processor time at {revision}")


def run_in(tree: Path, options: Sequence[str]) -> dict[str, Any]:
    env = {**os.environ, "BENCH_TREE": str(tree)}
    command = [sys.executable, __file__, "--json", "--rounds", "5"]
    told = subprocess.run([*command, *options], env=env, check=True, stdout=subprocess.PIPE).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def main() -> None:
    about, _, examples = (__doc__ or "").partition("examples:")
    parser = argparse.ArgumentParser(
        description=about, epilog=f"examples:{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--against", metavar="COMMIT", help="compare with this commit")
    parser.add_argument("--connections", type=int, default=1, help="at the same time (1)")
    parser.add_argument("--streams", action="store_true", help="streams in place of whole answers")
    parser.add_argument("--turns", type=int, default=5, help="of a comparison (5)")
    parser.add_argument("--rounds", type=int, default=9, help="the least of so many counts (9)")
    parser.add_argument("--json", action="store_true", help="figures as JSON, without stages")
    options = parser.parse_args()
    if options.against:
        of_each = ["--connections", str(options.connections)]
        in_turns(options.against, options.turns, of_each + ["--streams"] * options.streams)
        return
    asked = measured(
        options.rounds, 1500, options.connections, stages=not options.json, streams=options.streams
    )
    found = uvloop.run(asked)
    if options.json:
        print(json.dumps(found))
        return
    for title, one in found.items():
        print(f"{title}: {one['us']:.0f} us of processor time a request")
        for stage, share in one["stages"].items():
            if share:
                print(f"  {share * one['us']:6.1f} us {share:6.1%}  {stage}")


if __name__ == "__main__":
    main()
