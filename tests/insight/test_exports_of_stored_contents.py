"""What the ledger keeps of texts, sealed, can be exported; the same rows as from one's own log."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ledgers import NOON, Served, a_decision, a_word
from sqlalchemy import Connection

from tierwise_ledger.ingest import ingest
from tierwise_ledger.learning.exporting import Wanted, export_rows
from tierwise_ledger.learning.texts import Texts
from tierwise_ledger.sealing import Keyring
from tierwise_ledger.service.asked import Span
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store


def a_content(ring: Keyring, number: int, response: str) -> dict[str, Any]:
    name = f"d-pod-one-{number:06x}"
    said = {
        "request": {"messages": [{"role": "user", "content": f"sort {number}"}]},
        "answers": {},
        "response": response,
    }
    sealed = ring.seal(zlib.compress(json.dumps(said).encode()), name)
    return {
        "kind": "content", "id": name, "at": NOON, "tenant": "demo/team-a", "days": 7,
        "key": sealed.key, "nonce": b64encode(sealed.nonce).decode(),
        "sealed": b64encode(sealed.data).decode(),
    }  # fmt: skip


def test_pairs_are_made_of_sealed_contents_whole_and_streamed(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "one").write_text("7" * 64)
    ring = Keyring.read(folder)
    whole = json.dumps({"choices": [{"message": {"role": "assistant", "content": "wrong"}}]})
    pieces = [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in ("wr", "ong")]
    streamed = "".join(f"data: {piece}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    rows = [
        a_decision(1, query_id="q1"),
        a_decision(2, query_id="q2"),
        a_decision(3, query_id="q3"),
        a_word(1, accepted=False, corrected="right"),
        a_word(2, accepted=False, corrected="right"),
        a_word(3, accepted=False, corrected="right"),
        a_content(ring, 1, whole),
        a_content(ring, 2, streamed),
    ]
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)

    served = Served(store, Settings(keys_dir=str(folder)))
    answer = served.client.get("/v1/export/dpo?since=1h&holdout=0")

    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["provenance"]["decision"] for row in found] == [
        "d-pod-one-000001",
        "d-pod-one-000002",
    ]
    for row in found:
        assert row["prompt"][0]["content"].startswith("sort")
        assert row["rejected"] == [{"role": "assistant", "content": "wrong"}]
        assert row["chosen"] == [{"role": "assistant", "content": "right"}]
    assert served.client.get("/v1/export/csv").status_code == 404


@pytest.mark.parametrize(
    "asked", ["export/dpo?holdout=2", "export/dpo?holdout=nan", "calibration?budget=some"]
)
def test_a_share_that_is_none_is_refused_with_its_name(store: Store, asked: str) -> None:
    answer = Served(store).client.get(f"/v1/{asked}")

    name, value = asked.split("?")[1].split("=")
    assert answer.status_code == 400
    assert f"{name} is '{value}'; give the share of" in answer.text


def a_day_of_two_tenants(ring: Keyring) -> list[dict[str, Any]]:
    """Seven decisions five hours apart, told in no order; of the last no text is kept."""
    hours = {1: 25, 2: 5, 3: 10, 4: 0, 5: 20, 6: 15, 7: 30}
    whole = json.dumps({"choices": [{"message": {"content": "wrong"}}]})
    rows = []
    for number, hour in hours.items():
        tenant = {"tenant": f"demo/team-{'ab'[number % 2]}"}
        who = {"specialist": "demo/sorter" if number < 5 else "demo/other"}
        at = NOON + hour * 3600.0
        step = {"own_field": "sorting" if number != 3 else "math"}
        rows.append(a_decision(number, query_id=f"q{number}", at=at, step=step | who) | tenant)
        rows.append(a_word(number, accepted=False, corrected="right"))
        if number < 7:
            rows.append(a_content(ring, number, whole) | tenant | {"at": at})
    return rows


def test_an_export_is_in_order_and_of_whom_it_was_asked(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "one").write_text("7" * 64)
    with store.begin() as connection:
        ingest(connection, a_day_of_two_tenants(Keyring.read(folder)), received_at=NOON)
    served = Served(store, Settings(keys_dir=str(folder)))
    served.clock.now = NOON + 86_400 * 2

    def exported(query: str = "") -> list[int]:
        text = served.client.get(f"/v1/export/dpo?since=7d&holdout=0{query}").text
        names = [json.loads(line)["provenance"]["decision"] for line in text.splitlines()]
        return [int(name[-6:], 16) for name in names]

    assert exported() == [4, 2, 3, 6, 5, 1]
    assert exported("&specialist=demo/sorter") == [4, 2, 3, 1]
    assert exported("&tenant=demo/team-a") == [4, 2, 6]
    assert exported("&field=math") == [3]
    assert exported(f"&until={NOON + 15 * 3600}") == [4, 2, 3]
    assert exported("&specialist=demo/nobody") == exported("&rollout=demo/none") == []


def test_only_decisions_whose_contents_are_kept_are_looked_at(store: Store) -> None:
    with store.begin() as connection:
        rows = a_day_of_two_tenants(Keyring({"k": bytes(32)}, "k"))
        ingest(connection, rows, received_at=NOON)
    asked: list[str] = []

    def texts(_connection: Connection, names: Sequence[str]) -> dict[str, Texts]:
        asked.extend(names)
        return {}

    wanted = Wanted("dpo", Span(NOON - 60, NOON + 86_400 * 2))
    with store.read() as connection:
        assert list(export_rows(connection, wanted, texts, stored=True)) == []
        assert [int(name[-6:], 16) for name in asked] == [4, 2, 3, 6, 5, 1]


def test_ones_own_texts_make_rows_of_their_decisions_in_order(store: Store) -> None:
    rows = [row for row in a_day_of_two_tenants(Keyring({"k": bytes(32)}, "k"))
            if row["kind"] != "content"]  # fmt: skip
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    own = [
        {"decision": f"d-pod-one-{number:06x}", "answers": {"0": "wrong"},
         "messages": [{"role": "user", "content": "sort"}]}
        for number in (1, 7, 4)
    ]  # fmt: skip
    served = Served(store)
    served.clock.now = NOON + 86_400 * 2

    told = served.client.post("/v1/export/dpo?since=7d&holdout=0", json={"contents": own}).json()

    names = [row["provenance"]["decision"] for row in told["rows"]]
    assert [int(name[-6:], 16) for name in names] == [4, 1, 7]
