"""The HTTP client says the same whatever pieces the network cuts an answer into."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop
from dispatchers import until
from fake_engine import FakeEngine, Script, Turn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierwise_core.policy_resilience import Timeouts
from tierwise_router.errors import UpstreamDiedError, UpstreamUnreachableError
from tierwise_router.upstream.client import UpstreamClient
from tierwise_router.upstream.connection import READ_AT_ONCE_BYTES, Connection
from tierwise_router.upstream.response import Response
from tierwise_router.upstream.target import Target, parse_target

Engine = Callable[[Script], Awaitable[FakeEngine]]

BODIES = st.lists(st.binary(min_size=1, max_size=300), max_size=5)
HEADER_NAMES = st.sampled_from([b"x-one", b"X-Two", b"x-three"])
HEADER_VALUES = st.text("abcXYZ019 ;=", max_size=20).map(lambda text: text.strip().encode())


class Wire(asyncio.Transport):
    """A transport that remembers what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def writelines(self, list_of_data: object) -> None:
        for data in list_of_data:  # type: ignore[attr-defined]
            self.write(data)

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


def wired() -> tuple[Connection, Wire, list[Connection]]:
    idle: list[Connection] = []
    room = memoryview(bytearray(READ_AT_ONCE_BYTES))
    connection = Connection(asyncio.get_running_loop(), "http://pod", idle.append, room)
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire, idle


def written(pieces: list[bytes], framing: str, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Write an answer the way a server would."""
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
    head = b"HTTP/1.1 200 OK\r\n" + lines
    if framing == "chunked":
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return head + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    body = b"".join(pieces)
    if framing == "length":
        return head + b"content-length: %d\r\n\r\n" % len(body) + body
    return head + b"connection: close\r\n\r\n" + body


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(marks) if start < end]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=BODIES,
    framing=st.sampled_from(["length", "chunked", "until-close"]),
    headers=st.lists(st.tuples(HEADER_NAMES, HEADER_VALUES), max_size=4),
    places=st.lists(st.integers(0, 5000), max_size=12),
    interim=st.booleans(),
)
def test_an_answer_is_the_same_however_it_is_cut(
    pieces: list[bytes],
    framing: str,
    headers: list[tuple[bytes, bytes]],
    places: list[int],
    interim: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    data = written(pieces, framing, headers)
    if interim:
        data = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + data

    async def receive() -> None:
        connection, _wire, idle = wired()
        response = connection.send(b"HEAD", b"", Timeouts())
        for part in cut(data, places):
            connection.data_received(part)
        if framing == "until-close":
            connection.eof_received()
        await response.head()
        assert response.status == 200
        assert [pair for pair in response.headers if pair[0].startswith(b"x-")] == [
            (name.lower(), value) for name, value in headers
        ]
        assert await response.read(10_000_000) == b"".join(pieces)
        assert bool(idle) == (framing != "until-close")
        connection.connection_lost(None)

    asyncio.run(receive())


@settings(deadline=None, max_examples=100)
@given(pieces=BODIES, framing=st.sampled_from(["length", "chunked"]), place=st.integers(0, 5000))
def test_a_torn_answer_is_never_taken_for_whole(
    pieces: list[bytes], framing: str, place: int
) -> None:
    data = written(pieces, framing, [])
    torn = data[: place % len(data)]

    async def receive() -> None:
        connection, _wire, idle = wired()
        response = connection.send(b"HEAD", b"", Timeouts())
        if torn:
            connection.data_received(torn)
        connection.connection_lost(ConnectionResetError("torn"))
        with pytest.raises(UpstreamDiedError, match="torn"):
            await response.read(10_000_000)
        assert not idle

    asyncio.run(receive())


@settings(deadline=None, max_examples=100)
@given(garbage=st.binary(min_size=1, max_size=200))
def test_garbage_never_raises_out_of_the_protocol(garbage: bytes) -> None:
    async def receive() -> None:
        connection, _wire, _idle = wired()
        response = connection.send(b"HEAD", b"", Timeouts())
        connection.data_received(garbage)
        connection.connection_lost(None)
        if not response.complete:
            with pytest.raises(UpstreamDiedError):
                await response.read(1000)

    asyncio.run(receive())


async def test_a_slow_reader_stops_the_network_and_starts_it_again() -> None:
    connection, wire, _idle = wired()
    response = connection.send(b"HEAD", b"", Timeouts())
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")

    connection.data_received(b"a" * 300_000)
    assert not wire.reading
    assert len(await response.chunk()) == 300_000
    assert wire.reading
    connection.data_received(b"a" * 600_000)

    assert len(await response.chunk()) == 600_000
    assert response.complete
    assert wire.reading


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    connection, wire, idle = wired()
    connection.send(b"HEAD", b"", Timeouts())
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert idle

    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")

    assert wire.closed
    assert not connection.usable


async def test_a_peer_that_the_kernel_gave_up_is_told_as_such() -> None:
    connection, _, _ = wired()
    response = connection.send(b"", b"", Timeouts())

    connection.connection_lost(OSError(errno.ETIMEDOUT, "Connection timed out"))

    with pytest.raises(UpstreamDiedError, match="http://pod has given no sign of life for 30 s"):
        await response.news()


async def test_two_answers_to_one_question_end_the_connection() -> None:
    connection, wire, _idle = wired()
    connection.send(b"HEAD", b"", Timeouts())

    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 2)

    assert wire.closed


async def test_a_silent_reader_s_engine_is_not_blamed() -> None:
    connection, wire, _idle = wired()
    response = connection.send(b"HEAD", b"", Timeouts(idle_s=0.02))
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 400001\r\n\r\n" + b"a" * 400_000)
    assert not wire.reading

    await asyncio.sleep(0.06)  # three silences long, because of us
    assert not wire.closed

    assert len(await response.chunk()) == 400_000
    connection.data_received(b"a")
    assert await response.chunk() == b"a"


async def ok(turn: Turn) -> None:
    await turn.whole(200, b"{}")


async def answered(client: UpstreamClient, target: Target) -> int:
    response = await client.send(target, "/chat/completions", [], b"{}")
    assert await response.read(1000) == b"{}"
    return response.status


async def test_a_connection_is_kept_no_longer_than_the_server_keeps_it(engine: Engine) -> None:
    pod = await engine(ok)
    client = UpstreamClient(keep_alive_s=0.02)
    target = parse_target(pod.url)
    await answered(client, target)
    assert client.idle_connections(pod.url) == 1

    await until(lambda: not client.idle_connections(pod.url))

    await answered(client, target)
    assert pod.connections == 2
    client.close()


async def test_parallel_requests_have_a_connection_each(engine: Engine) -> None:
    pod = await engine(ok)
    client = UpstreamClient()
    target = parse_target(pod.url)

    statuses = await asyncio.gather(*(answered(client, target) for _ in range(10)))

    assert statuses == [200] * 10
    assert pod.connections == client.idle_connections(pod.url) == 10
    client.keep_only([])
    assert client.idle_connections(pod.url) == 0


async def test_a_refused_connection_says_where(engine: Engine) -> None:
    pod = await engine(ok)
    await pod.stop()

    with pytest.raises(UpstreamUnreachableError, match=pod.url):
        await UpstreamClient().send(parse_target(pod.url), "/x", [], b"")


@pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_moment_without_a_processor_is_not_the_endpoints_fault(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def talk() -> None:
        pod = await FakeEngine.start(ok)
        client = UpstreamClient()
        asyncio.get_running_loop().call_soon(time.sleep, 0.2)  # the connection is there meanwhile
        target, brief = parse_target(pod.url), Timeouts(connect_s=0.05)
        try:
            response = await client.send(target, "/x", [], b"", brief)
            assert await response.read(1000) == b"{}"
        finally:
            client.close()
            await pod.stop()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(talk())


async def test_a_connection_that_does_not_come_about_is_given_up() -> None:
    with socket.socket() as full:  # nobody takes the connections that wait for it
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with ExitStack() as waiting:
            for _ in range(2):
                one = waiting.enter_context(socket.socket())
                one.settimeout(0)
                one.connect_ex(full.getsockname())
            target = parse_target(f"http://127.0.0.1:{full.getsockname()[1]}")

            with pytest.raises(UpstreamUnreachableError, match=r"no connection within 0\.1 s"):
                await UpstreamClient().send(target, "/x", [], b"", Timeouts(connect_s=0.1))


async def test_the_request_is_written_as_it_should_be(engine: Engine) -> None:
    pod = await engine(ok)
    client = UpstreamClient()
    target = parse_target(f"{pod.url}/openai/v1")

    await client.send(target, "/chat/completions", [(b"x-a", b"1")], b"12345")

    (request,) = pod.requests
    assert request.path == "/openai/v1/chat/completions"
    assert request.body == b"12345"
    assert request.headers["host"] == pod.url.removeprefix("http://")
    assert request.headers["x-a"] == "1"
    client.close()


def test_it_speaks_tls_on_uvloop_too(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)

    async def talk() -> None:
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(certificate)
        pod = FakeEngine(ok)
        server = await asyncio.start_server(pod._serve, "127.0.0.1", 0, ssl=serving)
        port = server.sockets[0].getsockname()[1]
        client = UpstreamClient(tls=ssl.create_default_context(cafile=str(certificate)))
        target = parse_target(f"https://localhost:{port}/v1")
        for _ in range(3):
            await answered(client, target)
        assert pod.connections == 1
        stranger = UpstreamClient()
        with pytest.raises(UpstreamUnreachableError, match="certificate"):
            await stranger.send(target, "/chat/completions", [], b"")
        client.close()
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


@pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_a_flood_takes_only_its_part_of_a_turn(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """What one stream brings in one turn of the event loop keeps all the others waiting."""
    event = b"80\r\n" + b"a" * 128 + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

    async def read() -> list[int]:
        ended = asyncio.Event()

        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head + event * 10_000 + b"0\r\n\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            ended.set()

        server = await asyncio.start_server(flood, "127.0.0.1", 0)
        client = UpstreamClient()
        port = server.sockets[0].getsockname()[1]
        response = await client.send(parse_target(f"http://127.0.0.1:{port}"), "/", [], b"")
        turns = [len(data) async for data in pieces_of(response)]
        client.close()
        server.close()
        await ended.wait()
        return turns

    with asyncio.Runner(loop_factory=loop) as runner:
        turns = runner.run(read())
    assert sum(turns) == 10_000 * 128
    assert max(turns) <= 2 * READ_AT_ONCE_BYTES


async def pieces_of(response: Response) -> AsyncIterator[bytes]:
    while data := await response.chunk():
        yield data


def self_signed(folder: Path) -> Path:
    """A certificate for localhost and its key, in one file."""
    import datetime as dt  # noqa: PLC0415 - only this one needs them
    import ipaddress  # noqa: PLC0415

    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
