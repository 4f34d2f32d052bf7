"""What the ledger keeps of texts, sealed, can be exported; the same rows as from one's own log."""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

from ledgers import NOON, Served, a_decision, a_word

from tierwise_ledger.ingest import ingest
from tierwise_ledger.sealing import Keyring
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
