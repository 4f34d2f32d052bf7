"""`tierwise rollout watch` and `explain` on whole rollouts, which the real machine decided."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from click.testing import Result
from rich.console import Console
from rollout_runs import BEGAN, YARDSTICK, a_rollout, a_run
from typer.testing import CliRunner

from tierwise_cli.cluster import Cluster
from tierwise_cli.errors import AbsentError, CliError
from tierwise_cli.main import app
from tierwise_cli.rollouts.looks import Look
from tierwise_cli.rollouts.picture import frames
from tierwise_cli.rollouts.places import Place
from tierwise_cli.rollouts.story import story
from tierwise_cli.rollouts.view import scene
from tierwise_core.rollout.situation import Wish

Body = dict[str, Any]


@pytest.fixture(scope="module")
def better() -> list[Body]:
    return a_run(0.95)


@pytest.fixture(scope="module")
def worse() -> list[Body]:
    return a_run(0.6)


def run(*arguments: object) -> Result:
    environment = {"KUBECONFIG": "/nonexistent", "NO_COLOR": "1"}
    return CliRunner().invoke(app, ["rollout", *map(str, arguments)], env=environment)


def recording(folder: Path, bodies: list[Body]) -> Path:
    path = folder / "run.jsonl"
    path.write_text("\n".join(json.dumps(body, ensure_ascii=False) for body in bodies))
    return path


def drawn(body: Body, columns: int = 100) -> str:
    console = Console(width=columns, highlight=False, file=io.StringIO())
    with console.capture() as shown:
        console.print(scene(Look.at(body), BEGAN + timedelta(minutes=10), columns))
    return shown.get()


def test_the_screen_shows_shares_utilities_and_what_decides(better: list[Body]) -> None:
    shifting = [one for one in better if one["status"]["stage"] == "Shifting"][1]
    text = drawn(shifting)

    for part in (
        "default/sorter-b2e85f13 of sorter",
        "Shifting for",
        "hf://acme/sorter at v1 → hf://acme/sorter at v2",
        f"{shifting['status']['weights']['green']} %",
        "●",
        "for promotion",
        "for rollback",
        "green's share",
        "waits for",
    ):
        assert part in text, part


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("at", range(0, 90, 10))
def test_no_figure_is_cut_off(better: list[Body], at: int, columns: int) -> None:
    body = better[min(at, len(better) - 1)]
    figures = drawn(body, columns).split("green's share")[0]

    assert "…" not in figures
    assert max(map(len, figures.splitlines())) <= columns


def test_a_rollout_nobody_looked_at_yet_can_be_shown() -> None:
    text = drawn(a_rollout({}))

    assert "Pending" in text
    assert "0 %" in text


def test_what_a_rollback_rests_on_is_on_the_screen(worse: list[Body]) -> None:
    text = " ".join(drawn(worse[-1]).split())

    assert "RolledBack, UtilityRegression" in text
    assert "were green as good, this had a chance of 1 in" in text


def test_signals_gates_and_late_routers_are_told() -> None:
    status = {
        "stage": "Canary",
        "weights": {"blue": 95, "green": 5},
        "appliedPercent": 0,
        "shadowPercent": 10,
        "signals": [{"name": "Escalations", "message": "12 % against 4 %"}],
        "gates": [
            {"name": "RampPlan", "state": "Missing", "message": "no deadline"},
            {"name": "Compliance", "state": "Passed", "message": "all there"},
        ],
    }
    text = drawn(a_rollout(status))

    assert "Escalations: 12 % against 4 %" in text
    assert "RampPlan is missing: no deadline" in text
    assert "Compliance" not in text
    assert "still send 0 % to green" in text
    assert "green answers 10 % of the requests unseen" in text


def test_a_recording_is_a_log_where_no_terminal_is(better: list[Body], tmp_path: Path) -> None:
    said = run("watch", "--from", recording(tmp_path, better))

    lines = said.stdout.splitlines()
    stages = list(dict.fromkeys(line.split()[1] for line in lines))
    assert stages == ["Pending", "Canary", "Shifting", "Promoted", "Complete"]
    assert lines[0] == "12:00:00  Pending      green   0 %  waits for green to serve"
    assert said.exit_code == 0
    assert len(lines) < 20


def test_it_exits_with_1_when_the_candidate_goes_back(worse: list[Body], tmp_path: Path) -> None:
    said = run("watch", "--from", recording(tmp_path, worse))

    assert said.exit_code == 1
    assert "RolledBack" in said.stdout.splitlines()[-1]


def test_json_is_a_recording(better: list[Body], tmp_path: Path) -> None:
    path = recording(tmp_path, better)
    said = run("watch", "--from", path, "--output", "json")

    assert said.stdout.splitlines() == path.read_text().splitlines()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "run.jsonl:1 is no JSON"),
        ('{"kind": "Pod"}', "run.jsonl:1 is no Rollout"),
        (
            json.dumps(a_rollout({"weights": {"green": 400, "blue": 0}})),
            "the status of Rollout sorter-b2e85f13 cannot be read",
        ),
    ],
)
def test_a_line_that_is_no_rollout_is_named(text: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    said = run("watch", "--from", path)

    assert said.exit_code != 0
    assert part in " ".join(said.output.split())


def test_a_name_or_a_recording_is_asked_for() -> None:
    assert "neither NAME nor --from" in run("watch").output
    assert "both given" in run("watch", "x", "--from", "y").output
    assert "cannot be read" in run("watch", "--from", "/nonexistent").output


def test_the_story_tells_every_step_with_its_numbers(better: list[Body]) -> None:
    told = {one.title: " ".join(one.lines) for one in story(Look.at(better[-1]))}

    assert "ModelChanged" in told["What is tried"]
    assert "sorter-b2e85f13" in told["What is tried"]
    assert "12:00:04 Canary, 5 % to green" in " ".join(told["What was decided"].split())
    assert "judged answers, utility 0.8" in told["The evidence"]
    assert "Promoted" in told["How it ended"]
    assert "tierwise rollout undo default/sorter" in told["By hand"]
    assert "What comes next" not in told


def test_the_story_says_what_a_person_can_do(better: list[Body]) -> None:
    shifting = next(one for one in better if one["status"]["stage"] == "Shifting")
    (by_hand,) = (one for one in story(Look.at(shifting)) if one.title == "By hand")

    assert [line.split()[-2] for line in by_hand.lines] == ["pause", "promote", "abort"]
    examined = a_rollout(
        {
            "stage": "Benchmark",
            "benchmark": {
                "state": "Done", "questions": 50, "answered": 50, "blueRight": 40,
                "greenRight": 31, "lost": ["q7"], "loses": True, "message": "lost 18 %",
            },
            "safety": {"state": "Missing"},
        }
    )  # fmt: skip
    lines = next(one.lines for one in story(Look.at(examined)) if "Before" in one.title)
    assert lines[0] == (
        "held-out benchmark: 50 of 50 asked, green right in 31, blue in 40; only blue knew q7; "
        "lost 18 %"
    )
    assert lines[1] == "safety set: missing"


def test_a_person_reads_of_a_pause(better: list[Body]) -> None:
    paused = a_run(0.95, wish=Wish(yardstick=YARDSTICK, paused=True))[1]
    (by_hand,) = (
        one
        for one in story(Look.at({**paused, "spec": {**paused["spec"], "paused": True}}))
        if one.title == "By hand"
    )

    assert by_hand.lines[0] == "go on: tierwise rollout resume default/sorter-b2e85f13"


def test_a_recording_becomes_a_picture_that_loads_nothing(
    better: list[Body], tmp_path: Path
) -> None:
    drawn_to = tmp_path / "run.svg"
    run("watch", "--from", recording(tmp_path, better), "--svg", drawn_to)

    text = drawn_to.read_text()
    root = ET.fromstring(text)  # noqa: S314 - written a line above
    turns = root.findall("{http://www.w3.org/2000/svg}g")
    assert 4 <= len(turns) <= 12
    stages = [look.stage for look in frames([Look.at(body) for body in better])]
    assert stages[0] == "Pending"
    assert stages[-1] == "Complete"
    assert set(re.findall(r"https?://[^\s\"]+", text)) == {"http://www.w3.org/2000/svg"}


def test_a_picture_of_nothing_is_refused(tmp_path: Path) -> None:
    said = run("watch", "--from", recording(tmp_path, []), "--svg", tmp_path / "run.svg")

    assert said.exit_code == 2
    assert "no Rollout to draw" in said.output


class Served:
    """An API server that ends its watch after each event, as real ones do now and then."""

    def __init__(self, bodies: list[Body], *, deleted: bool = False) -> None:
        self.bodies: Iterator[Body] = iter(bodies)
        self.now = next(self.bodies)
        self.deleted = deleted
        self.watches: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if "watch" not in request.url.params:
            return httpx.Response(200, json=self.now)
        self.watches.append(request.url.params["fieldSelector"])
        if self.deleted:
            return httpx.Response(200, text=json.dumps({"type": "DELETED", "object": self.now}))
        self.now = next(self.bodies)
        return httpx.Response(200, text=json.dumps({"type": "MODIFIED", "object": self.now}) + "\n")

    @property
    def place(self) -> Place:
        transport = httpx.MockTransport(self)
        return Place(Cluster(httpx.Client(transport=transport, base_url="http://api"), "t"), "ai")


def test_following_goes_on_when_the_server_ends_a_watch(better: list[Body]) -> None:
    some = [better[0], better[1], better[-1]]
    served = Served(some)
    here = served.place

    seen = [look.stage for look in here.follow(here.one("sorter"))]

    assert list(dict.fromkeys(seen)) == ["Pending", "Canary", "Complete"]
    assert set(served.watches) == {"metadata.name=sorter-b2e85f13"}


def test_following_says_that_the_rollout_was_deleted(better: list[Body]) -> None:
    here = Served(better[:1], deleted=True).place

    with pytest.raises(AbsentError, match="Rollout sorter-b2e85f13 was deleted"):
        list(here.follow(here.one("sorter")))


def test_a_silent_server_is_told(better: list[Body]) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        if "watch" in request.url.params:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(200, json=better[0])

    client = httpx.Client(transport=httpx.MockTransport(gone), base_url="http://api")
    here = Place(Cluster(client, "t"), "ai")
    with pytest.raises(CliError, match="does not answer: reset"):
        list(here.follow(here.one("sorter")))
