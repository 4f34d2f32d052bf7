"""`tierwise explain` and `tierwise feedback`: a decision's story, and the last word on it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from click.testing import Result
from fakerouter import FakeRouter, Reply, refused
from recorded_decisions import an_escalation
from typer.testing import CliRunner

from tierwise_cli.decisions import Routers
from tierwise_cli.errors import RouterError
from tierwise_cli.main import app
from tierwise_cli.routers import Router
from tierwise_core.decision_record import CandidateRecord
from tierwise_core.decision_story import story, what_would_change

ENVIRONMENT = {"KUBECONFIG": "/nonexistent", "TIERWISE_URL": "", "NO_COLOR": "1"}
ID = "d-x7k2p-076779f8-000003"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=ENVIRONMENT | environment)


def told(**more: Any) -> Reply:
    return Reply(body=json.dumps({**an_escalation().to_row(), **more}).encode())


def test_it_tells_the_story(router: FakeRouter) -> None:
    router.reply = told(feedback=None)

    said = run("explain", ID, "--url", router.url)

    assert said.exit_code == 0, said.output
    assert router.asked == [(f"/v1/decisions/{ID}", {})]
    text = " ".join(said.stdout.split())
    for part in (
        "escalated by default/frontier on h100",
        "outside every field",
        "default/generalist: predicted 0.85, floor 0.80",
        "(from 57 outcomes)",
        "0.85 before, 0.41 after < floor 0.80: passed on to the next",
        "verifier non-empty: yes",
        "a floor of 0.41 or less (it is 0.80) would have accepted the answer of default/generalist",
        f"tierwise feedback {ID} --accept",
    ):
        assert part in text


def test_json_is_the_record_and_what_would_have_changed_it(router: FakeRouter) -> None:
    router.reply = told(feedback={"accepted": True})

    found = json.loads(run("explain", ID, "--url", router.url, "-o", "json").stdout)

    assert found["steps"][1]["specialist"] == "default/frontier"
    assert found["feedback"] == {"accepted": True}
    assert len(found["wouldHaveChanged"]) == 2


def test_feedback_goes_out_with_its_words(router: FakeRouter) -> None:
    router.reply = Reply(body=b'{"decision": "d-1", "accepted": false, "duplicate": true}')

    said = run("feedback", ID, "--reject", "--corrected", "HELLO", "--url", router.url)

    assert said.stdout == "d-1 rejected (said before)\n"
    assert router.asked == [
        ("/v1/feedback", {"decision": ID, "accepted": False, "corrected": "HELLO"})
    ]


def test_feedback_without_a_word_is_refused(router: FakeRouter) -> None:
    said = run("feedback", ID, "--url", router.url)

    assert said.exit_code == 2
    assert "neither --accept nor --reject is given" in said.stderr
    assert router.asked == []


def test_an_unknown_decision_is_told_in_the_router_s_words(router: FakeRouter) -> None:
    router.reply = refused(404, "decision_not_found", "decision 'd-1' is not known here")

    said = run("explain", ID, "--url", router.url)

    assert said.exit_code == 1
    assert "decision 'd-1' is not known here" in said.stderr


@pytest.mark.parametrize("name", ["", "a/b", "x?y"])
def test_what_is_no_name_is_not_asked_for(router: FakeRouter, name: str) -> None:
    assert run("explain", name, "--url", router.url).exit_code == 2
    assert router.asked == []


def pods(answers: dict[str, httpx.Response]) -> tuple[Routers, list[str]]:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        pod = request.url.path.split("/")[1]
        asked.append(pod)
        if pod not in answers:
            raise httpx.ConnectError("refused")
        return answers[pod]

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://api")
    names = ["router-1-bbbbb", "router-1-x7k2p", "router-1-ccccc"]
    return Routers(tuple(Router(http, f"/{name}", f"pod {name}") for name in names)), asked


def not_known() -> httpx.Response:
    error = {"message": "not known here", "type": "invalid_request_error", "code": "gone"}
    return httpx.Response(404, json={"error": error})


def test_the_pod_that_made_it_is_asked_first() -> None:
    routers, asked = pods({"router-1-x7k2p": httpx.Response(200, json={"id": ID})})

    assert routers.ask("GET", f"/v1/decisions/{ID}", ID) == {"id": ID}
    assert asked == ["router-1-x7k2p"]


def test_every_other_pod_is_asked_before_it_is_unknown() -> None:
    routers, asked = pods({"router-1-bbbbb": not_known(), "router-1-ccccc": not_known()})

    with pytest.raises(RouterError, match="not known here"):
        routers.ask("GET", f"/v1/decisions/{ID}", ID)
    assert sorted(asked) == ["router-1-bbbbb", "router-1-ccccc", "router-1-x7k2p"]


def test_a_gate_before_asking_says_what_it_would_have_taken() -> None:
    passed = CandidateRecord(
        "demo/sorter", predicted=0.44, floor=0.85, lost="predicted 0.44 < floor 0.85"
    )
    record = replace(an_escalation(), candidates=(passed,))

    assert any(
        "demo/sorter would have been asked with a floor of 0.44 or less" in line
        for line in what_would_change(record)
    )


def test_a_refused_answer_names_the_verifier() -> None:
    first, last = an_escalation().steps
    refused_one = replace(first, confidence=0.0, checks=({"name": "json", "passed": False},))
    record = replace(an_escalation(), steps=(refused_one, last))

    assert "an answer of default/generalist that passes json" in what_would_change(record)


def test_a_request_by_name_had_nothing_to_decide() -> None:
    named = replace(an_escalation(), model="sorter", candidates=(), state="relayed")

    (question,) = [one for one in story(named) if one.title == "The question"]

    assert question.lines == ("asked for 'sorter' by name: nothing was to be decided",)


def behind_one_address(*answers: httpx.Response) -> tuple[Routers, list[int]]:
    left, asked = list(answers), []

    def answer(_request: httpx.Request) -> httpx.Response:
        asked.append(1)
        return left.pop(0)

    http = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://router")
    return Routers((Router(http, "", "at http://router"),) * 16, one_address=True), asked


def elsewhere() -> httpx.Response:
    error = {"message": "another pod made it", "type": "x", "code": "decision_elsewhere"}
    return httpx.Response(404, json={"error": error})


def test_behind_one_address_it_is_asked_for_until_its_pod_answers() -> None:
    routers, asked = behind_one_address(
        elsewhere(), elsewhere(), httpx.Response(200, json={"id": ID})
    )

    assert routers.ask("GET", f"/v1/decisions/{ID}", ID) == {"id": ID}
    assert len(asked) == 3


def test_a_pod_that_lost_its_own_decision_is_asked_once() -> None:
    routers, asked = behind_one_address(not_known())

    with pytest.raises(RouterError, match="not known here"):
        routers.ask("GET", f"/v1/decisions/{ID}", ID)
    assert len(asked) == 1
