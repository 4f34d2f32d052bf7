"""What the watch over drift learns from a real ledger: sums as answers come, pairs to train on."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from ledgers import NOON, Served, a_decision, a_word

from forge.pairs import Pair, read_pairs
from tierwise_core.training_rows import HELD_OUT, held_out
from tierwise_ledger.ingest import ingest
from tierwise_ledger.sealing import Keyring
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store
from tierwise_operator.drifting.lessons import PairsClient
from tierwise_operator.rolling.ledger import SumsOf

ASKED = [name for n in range(20) if not held_out(name := f"q-{n}", HELD_OUT)][:12]


def a_content(ring: Keyring, number: int) -> dict[str, Any]:
    """What was asked and answered, sealed as a router does."""
    name = f"d-pod-one-{number:06x}"
    said = {
        "request": {"messages": [{"role": "user", "content": f"sort word{number}"}]},
        "answers": {},
        "response": json.dumps({"choices": [{"message": {"content": f"wrong{number}"}}]}),
    }
    sealed = ring.seal(zlib.compress(json.dumps(said).encode()), name)
    return {
        "kind": "content", "id": name, "at": NOON, "tenant": "demo/team-a", "days": 7,
        "key": sealed.key, "nonce": b64encode(sealed.nonce).decode(),
        "sealed": b64encode(sealed.data).decode(),
    }  # fmt: skip


async def test_corrected_answers_lower_the_sums_and_become_pairs_for_the_trainer(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "one").write_text("7" * 64)
    ring = Keyring.read(folder)
    rows = [row for number, query in enumerate(ASKED, 1) for row in (
        a_decision(number, query_id=query),
        a_content(ring, number),
        a_word(number, accepted=False, corrected=f"right{number}"),
    )]  # fmt: skip
    with store.begin() as connection:
        ingest(connection, rows, received_at=NOON)
    served = Served(store, Settings(keys_dir=str(folder)))
    client = PairsClient("http://ledger")
    client._http = httpx.AsyncClient(base_url="http://ledger", transport=served.transport())

    counted = await client.sums(SumsOf("demo/sorter", ("r1",), (), NOON - 60))
    assert (counted.blue.window.judged, counted.blue.window.accepted) == (12, 0)

    pairs = await client.pairs("demo/sorter")
    assert (pairs.count, pairs.known) == (12, 12)
    learnt = read_pairs(pairs.text.splitlines())
    assert learnt[0] == Pair("sort word1", "right1", "wrong1", 1.25)
    assert (await client.pairs("demo/other")).count == 0
    await client.close()
