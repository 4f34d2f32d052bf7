"""`tierwise rollout` on a real API server: which one is meant, and what each command writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from click.testing import Result
from rollout_runs import SIDES, a_rollout
from typer.testing import CliRunner

from tierwise_api import API_VERSION
from tierwise_cli.main import app

pytestmark = pytest.mark.apiserver

NAMESPACE = "rolling"
Body = dict[str, Any]


@pytest.fixture
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """A Specialist that serves its second model, and nobody who acts on Rollouts."""
    api_server.kubectl("create", "namespace", NAMESPACE)
    specialist = {
        "apiVersion": API_VERSION,
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": NAMESPACE},
        "spec": {
            "field": "sorting",
            "model": {**SIDES["green"]["model"], "maxModelLen": 512, "size": {"weights": "4Gi"}},
        },
    }
    assert api_server.create(specialist).accepted
    yield api_server
    everything = ("rollouts,specialists", "--all", "-n", NAMESPACE)
    api_server.kubectl("delete", *everything)
    api_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    # Nobody empties a namespace here; without its finalizer it is gone at once.
    api_server.client.put(
        f"/api/v1/namespaces/{NAMESPACE}/finalize",
        json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}, "spec": {}},
    )


def rolled(server: ApiServer, name: str, stage: str, **status: Any) -> Body:
    """A Rollout that the operator has brought to a stage."""
    body = a_rollout({}, name)
    body["metadata"] = {"name": name, "namespace": NAMESPACE}
    del body["status"]
    assert server.create(body).accepted
    green = 100 if stage in {"Promoted", "Complete"} else 5
    told = {"stage": stage, "weights": {"blue": 100 - green, "green": green}, **status}
    answer = server.merge(body, {"status": told}, subresource="status")
    assert answer.accepted, answer.body
    return body


def run(server: ApiServer, *arguments: str) -> Result:
    environment = {"KUBECONFIG": str(server.kubeconfig), "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["rollout", *arguments], env=environment)


def done(server: ApiServer, *arguments: str) -> str:
    said = run(server, *arguments, "-n", NAMESPACE)
    assert said.exit_code == 0, said.output
    return said.stdout


def spec(server: ApiServer, body: Body) -> Body:
    return dict(server.get(body).body["spec"])


def test_a_rollout_is_steered_by_its_name_or_its_specialists(server: ApiServer) -> None:
    body = rolled(server, "sorter-v2", "Canary", waitsFor="20 answers")

    assert "is paused" in done(server, "pause", "sorter")
    assert spec(server, body)["paused"] is True
    assert "goes on" in done(server, "resume", "sorter-v2")
    assert spec(server, body)["paused"] is False
    done(server, "abort", "sorter")
    assert (spec(server, body)["abort"], spec(server, body)["promote"]) == (True, False)
    row = json.loads(done(server, "promote", f"{NAMESPACE}/sorter", "--output", "json"))
    assert (spec(server, body)["abort"], spec(server, body)["promote"]) == (False, True)
    assert (row["name"], row["stage"]) == (f"{NAMESPACE}/sorter-v2", "Canary")


def test_the_list_and_the_story(server: ApiServer) -> None:
    rolled(server, "sorter-v1", "RolledBack", verdict={"outcome": "RolledBack", "reason": "Worse"})
    heard: Body = {"windows": {"blue": {}, "green": {}}, "shadowPercent": 20}
    rolled(server, "sorter-v2", "Shadow", waitsFor="20 answers", **heard)

    rows = json.loads(done(server, "list", "--output", "json"))["rollouts"]
    assert [(one["name"], one["ended"]) for one in rows] == [
        (f"{NAMESPACE}/sorter-v2", False),
        (f"{NAMESPACE}/sorter-v1", True),
    ]
    assert f"{NAMESPACE}/sorter-v2" in run(server, "list").stdout
    assert "it waits for 20 answers" in done(server, "explain", "sorter")
    assert "green answers 20 % of the requests beside blue" in done(server, "explain", "sorter")
    assert "RolledBack, Worse" in done(server, "explain", "sorter-v1")
    assert json.loads(done(server, "explain", "sorter", "-o", "json"))["story"]


def test_what_has_ended_is_not_steered(server: ApiServer) -> None:
    rolled(server, "sorter-v2", "RolledBack")

    for command in ("pause", "resume", "promote", "abort"):
        said = run(server, command, "sorter", "-n", NAMESPACE)
        assert said.exit_code == 1
        assert "it is RolledBack" in said.output
    assert "there is nothing to undo" in run(server, "undo", "sorter", "-n", NAMESPACE).output


def test_what_is_not_there_is_named(server: ApiServer) -> None:
    rolled(server, "sorter-v2", "Canary")

    said = run(server, "watch", "sorter-v3", "-n", NAMESPACE)
    assert said.exit_code == 1
    assert "did you mean sorter-v2?" in " ".join(said.output.split())
    assert "there is no Specialist" in run(server, "undo", "sortr", "-n", NAMESPACE).output
    assert run(server, "pause", "a/b/c").exit_code == 2
    assert run(server, "pause", "a/b", "-n", "c").exit_code == 2


def test_undo_while_blue_is_warm_goes_back_at_once(server: ApiServer) -> None:
    body = rolled(server, "sorter-v2", "Promoted", sides=SIDES)

    assert "hf://acme/sorter at v1" in done(server, "undo", "sorter")
    assert spec(server, body)["abort"] is True


def test_undo_later_brings_back_what_served_before(server: ApiServer) -> None:
    rolled(server, "sorter-v2", "Complete", sides=SIDES)

    made = json.loads(done(server, "undo", "sorter", "--output", "json"))

    assert made["metadata"]["name"].startswith("sorter-undo-")
    assert made["metadata"]["annotations"]["tierwise.dev/trigger"] == "Undo"
    assert made["metadata"]["ownerReferences"][0]["name"] == "sorter"
    assert made["spec"]["candidate"]["model"]["revision"] == "v1"
    assert made["spec"]["strategy"]["type"] == "BlueGreen"
    again = run(server, "undo", "sorter", "-n", NAMESPACE)
    assert "is under way (Pending): nothing of it was promoted yet" in again.output


def test_a_candidate_is_tried_by_hand(server: ApiServer) -> None:
    done(server, "start", "sorter", "hf://acme/next", "--revision", "v3", "--name", "sorter-v3")
    model = spec(server, {**a_rollout({}, "sorter-v3"), "metadata": _named("sorter-v3")})
    candidate = model["candidate"]["model"]

    assert (candidate["source"], candidate["revision"]) == ("hf://acme/next", "v3")
    assert candidate["maxModelLen"] == 512
    assert "size" not in candidate


def test_a_manifest_is_for_git(server: ApiServer) -> None:
    text = done(server, "start", "sorter", "hf://acme/next", "--strategy", "Stages", "--manifest")
    body = yaml.safe_load(text)

    assert body["metadata"] == {
        "name": "sorter-next", "namespace": NAMESPACE,
        "labels": {"tierwise.dev/specialist": "sorter"},
    }  # fmt: skip
    assert server.create(body, dry_run=True).accepted
    assert server.get(body).status_code == 404
    wrong = run(server, "start", "sorter", "hf://a/b", "--strategy", "Slowly", "-n", NAMESPACE)
    assert wrong.exit_code == 2
    assert "Slowly" in wrong.output


def test_watching_ends_with_the_rollout(server: ApiServer) -> None:
    rolled(server, "sorter-v2", "RolledBack")

    said = run(server, "watch", "sorter", "-n", NAMESPACE)

    assert said.exit_code == 1
    assert "RolledBack" in said.stdout


def test_every_change_is_seen_as_it_happens(server: ApiServer) -> None:
    body = rolled(server, "sorter-v2", "Canary")
    command = [str(Path(sys.executable).with_name("tierwise")), "rollout", "watch", "sorter"]
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig)}
    options = ("-n", NAMESPACE, "--output", "json")
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env=environment
    ) as watching:
        assert watching.stdout is not None
        seen = [json.loads(watching.stdout.readline())["status"]["stage"]]
        for stage in ("Shifting", "Promoted", "Complete"):
            server.merge(body, {"status": {"stage": stage}}, subresource="status")
            seen.append(json.loads(watching.stdout.readline())["status"]["stage"])

    assert seen == ["Canary", "Shifting", "Promoted", "Complete"]
    assert watching.returncode == 0


def _named(name: str) -> Body:
    return {"name": name, "namespace": NAMESPACE}
