"""What the ledger tells Prometheus of itself."""

from __future__ import annotations

import json

from ledgers import NOON, Clock, Served, a_decision

from tierwise_ledger.background import Background, Job
from tierwise_ledger.service.metrics import LedgerMetrics
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store


def scraped(served: Served) -> dict[str, float]:
    lines = served.client.get("/metrics").text.splitlines()
    told = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in told}


def test_requests_are_counted_by_route_and_rows_by_what_became_of_them(store: Store) -> None:
    served = Served(store)
    rows = [a_decision(1), a_decision(2), a_decision(1), {"kind": "decision"}]
    served.client.post("/v1/records", content="\n".join(map(json.dumps, rows)))
    for name in ("d-pod-one-000001", "d-pod-one-000002", "nobody"):
        served.client.get(f"/v1/outcomes/{name}")
    served.client.get("/v1/nothing/here")

    found = scraped(served)

    path = 'path="/v1/outcomes/{id}"'
    assert found[f'tierwise_ledger_requests_total{{{path},status="200"}}'] == 2
    assert found[f'tierwise_ledger_requests_total{{{path},status="404"}}'] == 1
    assert found['tierwise_ledger_requests_total{path="(other)",status="404"}'] == 1
    assert found[f"tierwise_ledger_request_seconds_count{{{path}}}"] == 3
    outcomes = ("new", "known", "rejected")
    taken = [found[f'tierwise_ledger_records_total{{outcome="{one}"}}'] for one in outcomes]
    assert taken == [2, 1, 1]
    assert found["tierwise_ledger_newest_outcome_timestamp_seconds"] == NOON + 2


def test_a_job_that_fails_is_told_from_one_that_goes_well(store: Store) -> None:
    def breaks(_store: Store, _settings: Settings, _now: float) -> None:
        raise OSError("no cluster")

    clock, metrics = Clock(), LedgerMetrics()
    jobs = [Job("well", 10.0, lambda *_: None), Job("broken", 10.0, breaks)]
    background = Background(store, Settings(), clock, jobs, metrics.did)
    clock.now += 11.0

    background.work()

    text = metrics.exposition().decode()
    assert 'tierwise_ledger_jobs_total{job="well",outcome="done"} 1.0' in text
    assert 'tierwise_ledger_jobs_total{job="broken",outcome="failed"} 1.0' in text
    assert 'job_success_timestamp_seconds{job="broken"}' not in text


def test_the_token_is_needed(store: Store) -> None:
    served = Served(store, Settings(token="secret"))

    assert served.client.get("/metrics").status_code == 401
    shown = {"authorization": "Bearer secret"}
    assert served.client.get("/metrics", headers=shown).status_code == 200
