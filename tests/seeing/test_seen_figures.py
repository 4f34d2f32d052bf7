"""What the page is given agrees with what was recorded, on both databases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from ledgers import Clock, Served, a_decision, a_word
from seen_ledger import DAY_S, NOW, SEATS, THE_ONE, fill

from tierwise_ledger.ingest import ingest
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store


@pytest.fixture
def served(store: Store) -> Served:
    return Served(store, clock=Clock(NOW))


@pytest.fixture
def full(served: Served) -> Served:
    fill(served.store, requests=80)
    return served


def get(served: Served, name: str, **query: Any) -> Any:
    answer = served.client.get(f"/v1/ui/{name}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(served: Served, name: str, **query: Any) -> dict[str, Any]:
    answer = served.client.get(f"/v1/ui/{name}", params=query)
    assert answer.status_code in {400, 404}
    error: dict[str, Any] = answer.json()["error"]
    return error


def test_paths_keep_every_request_from_its_field_to_its_end(full: Served) -> None:
    said = get(full, "paths")
    into, out = Counter[int](), Counter[int]()
    for link in said["links"]:
        out[link["source"]] += link["requests"]
        into[link["target"]] += link["requests"]

    assert said["requests"] == said["shown"] == 81
    for at, node in enumerate(said["nodes"]):
        if node["role"] == "specialist":
            assert into[at] == out[at]
    assert sum(into[at] for at, node in enumerate(said["nodes"]) if node["role"] == "state") == 81
    assert {link["kind"] for link in said["links"]} >= {"asked", "accepted", "escalated"}


def test_paths_of_one_field_are_of_that_field(full: Served) -> None:
    said = get(full, "paths", field="billing")

    assert {node["name"] for node in said["nodes"] if node["role"] == "field"} == {"billing"}


def test_the_fleet_is_told_as_it_was_seen(full: Served) -> None:
    said = get(full, "fleet")
    tiers = {tier["name"]: tier for tier in said["tiers"]}
    nodes = {node["name"]: node for tier in said["tiers"] for node in tier["nodes"]}

    assert said["source"] == "look"
    assert tiers["h100"]["usdPerHour"] == 3.0
    assert sum(node["gpus"] for node in nodes.values()) == sum(seat.gpus for seat in SEATS)
    assert [one["specialist"] for one in nodes["gpu-node-02"]["holders"]] == [
        "demo/sorter", "demo/ledgerist",
    ]  # fmt: skip


def test_without_a_look_those_who_answered_are_the_fleet(served: Served) -> None:
    fill(served.store, looks=False, requests=40)

    said = get(served, "fleet")

    assert said["source"] == "calls"
    assert {"h100", "rtx-4090"} == {tier["name"] for tier in said["tiers"]}


def test_costs_come_to_the_bill_that_tierwise_cost_tells(full: Served) -> None:
    said = get(full, "costs", since="24h", by="tenant")
    bill = full.client.get(
        "/v1/cost",
        params={"by": "tenant", "since": said["begins"][0], "until": said["begins"][-1] + 3600},
    ).json()

    assert said["money"] == "bill"
    assert sum(one["total"]["usd"] for one in said["lines"]) == pytest.approx(
        float(bill["fleetUSD"]), abs=0.01
    )
    assert said["together"]["total"]["usd"] == pytest.approx(float(bill["fleetUSD"]), abs=0.01)
    assert said["together"]["total"]["requests"] == 81


def test_who_pays_for_idle_gpus_changes_the_shares_and_not_the_sum(full: Served) -> None:
    def idle_usd(said: Any) -> float:
        return sum(
            float(one["total"]["usd"]) for one in said["lines"] if one["name"].startswith("(")
        )

    by_fleet, apart = (get(full, "costs", idle=policy) for policy in ("fleet", "apart"))

    assert idle_usd(by_fleet) < idle_usd(apart)
    sums = [said["together"]["total"]["usd"] for said in (by_fleet, apart)]
    assert sums[0] == pytest.approx(sums[1])


def test_without_a_look_costs_are_those_of_the_calls(served: Served) -> None:
    rows = [a_decision(number, at=NOW - 600) for number in range(4)]
    with served.store.begin() as connection:
        ingest(connection, [*rows, a_word(0, accepted=False, at=NOW)], received_at=NOW)

    (line,) = get(served, "costs", since="1h")["lines"]

    assert line["total"]["usd"] == pytest.approx(4 * 0.000022)
    assert line["total"]["accepted"] == 3
    assert line["total"]["usdPerAccepted"] == pytest.approx(4 * 0.000022 / 3)
    assert None in line["usdPerAccepted"]


def test_many_groups_are_put_together(served: Served) -> None:
    rows = [a_decision(n, at=NOW - 60, tenant=f"demo/team-{n:02}") for n in range(20)]
    with served.store.begin() as connection:
        ingest(connection, rows, received_at=NOW)

    lines = get(served, "costs", since="1h", by="tenant")["lines"]

    assert len(lines) == 8
    assert lines[-1]["name"] == "(all others)"
    assert sum(line["total"]["requests"] for line in lines) == 20


def test_a_story_has_its_record_its_words_and_what_was_said(full: Served) -> None:
    said = get(full, f"decisions/{THE_ONE}")

    assert said["record"]["id"] == THE_ONE
    assert [part["title"] for part in said["story"]][:2] == ["Outcome", "The question"]
    assert said["feedback"][0]["corrected"] == "<b>dcba</b>"
    assert {link["stream"] for link in said["audit"]} == {"decisions", "feedback"}


def test_decisions_are_chosen_and_the_newest_come_first(full: Served) -> None:
    found = get(full, "decisions", state="escalated", limit=5)["decisions"]

    assert {one["state"] for one in found} == {"escalated"}
    assert [one["at"] for one in found] == sorted((one["at"] for one in found), reverse=True)


def test_calibration_counts_answers_that_somebody_judged(full: Served) -> None:
    curves = get(full, "calibration")["curves"]

    assert curves
    for curve in curves:
        assert sum(one["count"] for one in curve["bins"]) == curve["answers"]
        assert 0 <= curve["ece"] <= 1
        assert all(0 <= one["accepted"] <= 1 for one in curve["bins"])


@pytest.mark.parametrize("since", ["2h", "24h"])
def test_revisions_share_the_calls(full: Served, since: str) -> None:
    with full.store.begin() as connection:
        rows = [
            a_decision(n, at=NOW - 300, step={"revision": "r2" if n % 4 == 0 else "r1"})
            for n in range(40)
        ]
        ingest(connection, rows, received_at=NOW)

    first = get(full, "rollouts", since=since)["specialists"][0]
    said = get(full, "rollouts", since=since, specialist="demo/sorter", field="sorting")
    shares = [
        sum(line["points"][at]["share"] or 0.0 for line in said["revisions"])
        for at in range(len(said["begins"]))
    ]

    assert first["revisions"] == 2
    assert {line["revision"] for line in said["revisions"]} == {"r1", "r2"}
    assert all(share == pytest.approx(1.0) or share == 0.0 for share in shares)
    told = [point for line in said["revisions"] for point in line["points"] if "u" in point]
    assert told
    assert all(point["low"] <= point["u"] <= point["high"] for point in told)


def test_what_was_done_to_a_rollout_stands_beside_its_weights(full: Served) -> None:
    step = {"kind": "audit", "stream": "rollouts", "action": "weighed", "subject": "demo/sorter-r2"}
    rows = [
        {**step, "id": "a-1", "at": NOW - 60, "specialist": "demo/sorter", "weight": 0.35},
        {**step, "id": "a-2", "at": NOW - 50, "specialist": "demo/other", "weight": 0.5},
    ]
    with full.store.begin() as connection:
        ingest(connection, rows, received_at=NOW)

    events = get(full, "rollouts", specialist="demo/sorter", field="sorting")["events"]
    (event,) = (one for one in events if one["action"] not in {"shifted", "lined-up"})

    assert event["action"] == "weighed"
    assert event["detail"] == {"weight": 0.35}


def test_a_rollouts_stage_its_sides_and_the_shares_it_ordered_are_told(full: Served) -> None:
    with full.store.begin() as connection:
        by_green = a_decision(1, at=NOW - 300, step={"revision": "r2"})
        ingest(connection, [by_green], received_at=NOW)

    said = get(full, "rollouts", since="24h", specialist="demo/sorter", field="sorting")

    (one,) = said["rollouts"]
    assert (one["stage"], one["greenPercent"], one["over"]) == ("Shifting", 65, False)
    assert one["why"].startswith("CanaryPassed")
    assert one["since"] == pytest.approx(NOW - 0.55 * DAY_S)
    sides = {line["revision"]: line["side"] for line in said["revisions"]}
    assert sides == {"r1": "blue", "r2": "green"}
    assert list(dict.fromkeys(said["ordered"])) == [None, 0.05, 0.2, 0.39, 0.65]


@pytest.mark.parametrize(
    ("name", "query", "field"),
    [
        ("costs", {"by": "colour"}, "by"),
        ("costs", {"idle": "me"}, "idle"),
        ("costs", {"bye": "field"}, "bye"),
        ("decisions", {"limit": "many"}, "limit"),
        ("decisions", {"since": "yesterday"}, "since"),
        ("rollouts", {"specialist": "demo/sorter"}, "field"),
        ("decisions/d-none", {}, "id"),
    ],
)
def test_wrong_questions_name_their_field(
    served: Served, name: str, query: dict[str, str], field: str
) -> None:
    assert refused(served, name, **query)["field"] == field


def test_only_the_empty_page_is_open(store: Store) -> None:
    client = Served(store, Settings(token="secret")).client

    assert client.get("/ui/").status_code == 200
    assert client.get("/ui/views/fleet.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/ui/%2e%2e/settings.py").status_code == 404
    assert client.get("/v1/ui/fleet").status_code == 401
    assert client.get("/v1/ui/fleet", headers={"x-api-key": "secret"}).status_code == 200


def test_every_file_goes_with_the_policy_and_is_not_sent_twice(served: Served) -> None:
    first = served.client.get("/ui/app.js")
    again = served.client.get("/ui/app.js", headers={"if-none-match": first.headers["etag"]})

    for header in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert first.headers[header]
    assert "'unsafe" not in first.headers["content-security-policy"]
    assert again.status_code == 304
    assert again.content == b""
    assert served.client.get("/ui", follow_redirects=False).headers["location"] == "ui/"
