"""The ledger over HTTP: who may ask, what is asked wrongly, and what damage does to it."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest
from ledgers import NOON, Served, a_decision, count
from sqlalchemy.exc import DatabaseError

from tierwise_ledger.errors import CorruptError
from tierwise_ledger.opening import mark_suspect, open_store
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_ledger.tables.outcomes import OUTCOMES


def lines(*rows: object) -> bytes:
    return b"\n".join(orjson.dumps(row) for row in rows)


def test_rows_come_in_and_what_became_of_them_is_told(store: Store) -> None:
    ledger = Served(store)
    body = lines(a_decision(1), a_decision(1), {"kind": "decision"}, 3) + b"\n{"

    told = ledger.client.post("/v1/records", content=body).json()

    assert (told["new"], told["known"], told["rejected"]) == (1, 1, 3)
    assert "line 5" in told["reasons"][2]


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ({"content-encoding": "br"}, b"", "content-encoding is 'br'"),
        ({"content-encoding": "gzip"}, b"no gzip", "the body is no gzip"),
        ({"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0)[:-4], "cut short"),
        ({"x-tierwise-clock": "noon"}, b"", "x-tierwise-clock is 'noon'"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_as_a_whole(
    store: Store, headers: dict[str, str], body: bytes, said: str
) -> None:
    answer = Served(store).client.post("/v1/records", content=body, headers=headers)

    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/outcomes?since=yesterday", "since"),
        ("/v1/outcomes?since=1h&until=2h", "until"),
        ("/v1/outcomes?limit=0", "limit"),
        ("/v1/outcomes?limit=1001", "limit"),
        ("/v1/outcomes?after=x", "after"),
        ("/v1/outcomes?tenants=demo/a", "tenants"),
        ("/v1/summary?by=pod", "by"),
        ("/v1/summary?session=x", "session"),
    ],
)
def test_a_question_that_makes_no_sense_names_its_parameter(
    store: Store, path: str, field: str
) -> None:
    answer = Served(store).client.get(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == field


def test_what_is_not_there_is_told_as_such(store: Store) -> None:
    client = Served(store).client

    for path in ("/v1/outcomes/d-x-y-000001", "/v1/outcomes/d-x-y-000001/contents", "/v1/nothing"):
        assert client.get(path).status_code == 404
    assert client.put("/v1/outcomes").status_code == 405


def test_only_who_shows_the_token_is_told_anything(store: Store) -> None:
    client = Served(store, Settings(token="secret")).client

    assert client.get("/v1/outcomes").status_code == 401
    assert client.get("/v1/outcomes", headers={"x-api-key": "wrong"}).status_code == 401
    assert client.get("/v1/outcomes", headers={"x-api-key": "secret"}).status_code == 200
    assert client.get("/v1/outcomes", headers={"authorization": "Bearer secret"}).status_code == 200
    assert client.get("/readyz").status_code == 200


def test_feedback_on_what_is_not_here_yet_is_kept(store: Store) -> None:
    client = Served(store).client
    word = {"decision": a_decision(1)["id"], "accepted": False}

    assert client.post("/v1/feedback", json=word).json()["known"] is False
    client.post("/v1/records", content=lines(a_decision(1)))

    assert client.get(f"/v1/outcomes/{word['decision']}").json()["feedback"] is False
    assert client.post("/v1/feedback", json=word).json()["duplicate"] is True
    wrong = client.post("/v1/feedback", json={**word, "accepted": "no"})
    assert wrong.json()["error"]["field"] == "accepted"


def test_the_status_tells_what_is_in_it(store: Store) -> None:
    ledger = Served(store)
    ledger.client.post("/v1/records", content=lines(a_decision(1), a_decision(2)))

    told = ledger.client.get("/v1/status").json()

    assert (told["requests"], told["newest_outcome_at"]) == (2, NOON + 2)
    assert told["bytes"] > 0


def a_file_with(path: Path, rows: int) -> Store:
    store = Store.open(f"sqlite:///{path}")
    Served(store).client.post(
        "/v1/records", content=lines(*(a_decision(number) for number in range(rows)))
    )
    return store


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begins(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is not a database at all" * 1000)

    store = open_store(f"sqlite:///{path}", clock=lambda: NOON)

    assert count(store, OUTCOMES) == 0
    kept = tmp_path / "ledger.db.damaged-20250615T150640Z"
    assert kept.read_bytes().startswith(b"this is not")
    store.close()


def test_a_damaged_page_is_found_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    store = a_file_with(path, 200)
    before = Served(store).client.get("/v1/status").json()["id"]
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(8, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)

    anew = open_store(f"sqlite:///{path}", clock=lambda: NOON)

    # Another name: routers send again what they still have.
    assert Served(anew).client.get("/v1/status").json()["id"] != before
    assert len(list(tmp_path.glob("ledger.db.damaged-*"))) >= 1
    anew.close()


def test_damage_that_is_found_while_it_runs_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    store = a_file_with(path, 2)
    stopped: list[bool] = []
    ledger = Served(store)
    ledger.client.app.state.on_corrupt = lambda: stopped.append(True)

    class Damaged(Store):
        def read(self) -> object:  # type: ignore[override]
            raise CorruptError("the database is damaged: malformed") from DatabaseError(
                "", {}, None
            )

    ledger.client.app.state.store = Damaged(store.engine)
    answer = ledger.client.get("/v1/outcomes")

    assert (answer.status_code, stopped) == (503, [True])
    mark_suspect(f"sqlite:///{path}")
    assert (tmp_path / "ledger.db.suspect").exists()
    store.close()
    open_store(f"sqlite:///{path}").close()
    assert not (tmp_path / "ledger.db.suspect").exists()
