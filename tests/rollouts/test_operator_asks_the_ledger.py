"""The operator's client of the ledger, against a real ledger; and of the routers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fake_cluster import FakeCluster
from ledger_socket import listening
from ledgers import NOON, a_decision, a_word

from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_operator.rolling.ledger import FailuresOf, LedgerClient, LedgerError, SumsOf
from tierwise_operator.rolling.routers import Routers

ASKED = SumsOf("demo/sorter", ("r1",), ("r2",), NOON, latency_since=NOON)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[str]:
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    rows = [a_decision(n, step={"revision": f"r{1 + n % 2}"}) for n in range(40)]
    rows += [a_word(n, accepted=False) for n in range(1, 10, 2)]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    with listening(store, Settings(token="secret"), NOON + 100) as url:
        yield url
    store.close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("secret\n")
    return path


async def test_the_sums_of_both_sides_come_in_one_answer(ledger: str, token: Path) -> None:
    client = LedgerClient(ledger, str(token))
    told = await client.sums(ASKED)
    await client.close()
    assert (told.blue.window.asked, told.green.window.asked) == (20, 20)
    assert told.green.window.judged - told.green.window.accepted == 5
    assert told.green.cost_usd == pytest.approx(20 * 0.000022)
    assert told.blue.p99_s is not None


async def test_greens_failures_are_kept_once_however_often_it_is_asked(
    ledger: str, token: Path
) -> None:
    client = LedgerClient(ledger, str(token))
    asked = FailuresOf("demo/sorter-v2", "demo/sorter", ("r2",), NOON, "UtilityRegression: worse")
    kept = [await client.keep_failures(asked) for _ in range(2)]
    await client.close()
    assert kept == [5, 5]


async def test_a_token_that_is_missing_or_wrong_is_told(ledger: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    for file, said in ((wrong, "answered 401"), (tmp_path / "none", "token file")):
        client = LedgerClient(ledger, str(file))
        with pytest.raises(LedgerError, match=said):
            await client.sums(ASKED)
        await client.close()


async def test_a_ledger_that_is_away_or_answers_nonsense_is_silent() -> None:
    async def nonsense(_: web.Request) -> web.Response:
        return web.Response(text='{"blue": 7}')

    app = web.Application()
    app.router.add_get("/v1/rollouts/sums", nonsense)
    async with TestServer(app) as server:
        client = LedgerClient(str(server.make_url("")))
        with pytest.raises(LedgerError, match="cannot be read"):
            await client.sums(ASKED)
        await client.close()
    client = LedgerClient("http://127.0.0.1:9")
    with pytest.raises(LedgerError, match="/v1/rollouts/sums"):
        await client.sums(ASKED)
    await client.close()


def a_router_pod(name: str, address: str, *, ready: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "tierwise-system",
            "labels": {"app.kubernetes.io/name": "tierwise-router"},
        },
        "status": {
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


async def test_every_ready_router_is_asked_and_one_that_is_mute_leaves_it_open() -> None:
    cluster = FakeCluster()
    for name, address, ready in (("a", "127.0.0.8", True), ("b", "127.0.0.9", False)):
        cluster.put(a_router_pod(name, address, ready=ready))
    cluster.put({**a_router_pod("c", "127.0.0.7"), "metadata": {"name": "c", "namespace": "ai"}})
    routers = Routers(cluster, "tierwise-system")
    taken = await routers.ask()
    await routers.close()
    assert taken.routers == {"http://127.0.0.8:8080": None}
    assert taken.percent("ai/sorter", "v2") is None


async def test_a_share_counts_when_the_last_router_has_taken_it_up() -> None:
    async def served(rows: list[dict[str, Any]]) -> TestServer:
        async def shares(_: web.Request) -> web.Response:
            return web.json_response(rows)

        app = web.Application()
        app.router.add_get("/v1/rollouts", shares)
        server = TestServer(app)
        await server.start_server()
        return server

    row = {"specialist": "ai/sorter", "rollout": "v2", "shadowPercent": 0}
    one, two = await served([{**row, "greenPercent": 0}]), await served([row | {"greenPercent": 5}])
    routers = Routers(FakeCluster(), "x", (str(one.make_url("")), str(two.make_url(""))))
    assert (await routers.ask()).percent("ai/sorter", "v2") == 5
    await two.close()
    assert (await routers.ask()).percent("ai/sorter", "v2") is None
    await routers.close()
    await one.close()
    assert (await Routers(FakeCluster(), "x").ask()).percent("ai/sorter", "v2") == 0
