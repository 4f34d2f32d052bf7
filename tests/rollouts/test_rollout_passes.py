"""The Rollout pass: what it sees, what it writes, and that nothing of it is lost when it is killed.

The pods, the ledger and the routers say what the story says; the API server is one in memory.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_cluster import FakeCluster
from rolling import SERVING, Rolling, rollout_body
from stage import feeding, specialist_body

from tierwise_core.rollout.situation import Examination
from tierwise_core.windows import Window
from tierwise_operator.examining.examiner import Examined
from tierwise_operator.kinds import ROLLOUT, SPECIALIST, Kind

DAY_S = 86_400.0
QUICK = {"strategy": {"deadline": "24h", "cooldown": "10m"}}


@pytest.fixture
async def world() -> AsyncIterator[Rolling]:
    cluster = FakeCluster()
    made = Rolling(cluster)
    cluster.told = feeding(made.operator.store)
    cluster.put(specialist_body())
    made.ledger.judged("day", 200, 50)
    yield made
    made.operator.queue.close()


def put(world: Rolling, body: dict[str, Any]) -> None:
    cluster = world.cluster
    assert isinstance(cluster, FakeCluster)
    cluster.put(body)


def restart(world: Rolling) -> None:
    cluster = world.cluster
    assert isinstance(cluster, FakeCluster)
    world.operator.queue.close()
    world.begin()
    cluster.told = feeding(world.operator.store)
    for (kind, _), body in cluster.objects_by_key.items():
        if kind in {"Rollout", "Specialist"}:
            world.operator.store.observe({"Rollout": ROLLOUT, "Specialist": SPECIALIST}[kind], body)


def events(world: Rolling) -> list[str]:
    cluster = world.cluster
    assert isinstance(cluster, FakeCluster)
    return cluster.events


async def to_canary(world: Rolling, **spec: Any) -> dict[str, Any]:
    body = rollout_body(**{**QUICK, **spec})
    put(world, body)
    return await world.step(body["metadata"]["name"])


async def test_a_candidate_that_serves_gets_five_percent_and_the_forecast_is_told(
    world: Rolling,
) -> None:
    status = await to_canary(world)
    assert (status["stage"], status["weights"]) == ("Canary", {"blue": 95, "green": 5})
    assert status["forecast"]["answersPerHour"] == pytest.approx(250 / 24, abs=0.1)
    assert status["forecast"]["message"].startswith("a verdict takes on average ")
    assert [point["greenPercent"] for point in status["trajectory"]] == [5]
    assert status["sides"]["green"]["revisions"] == ["green1"]
    assert status["sides"]["blue"]["model"] == {"source": "file:///models/sorter"}
    assert events(world).count("Normal Forecast") == 1
    assert {gate["name"]: gate["state"] for gate in status["gates"]}["RollbackPath"] == "Passed"


async def test_a_better_candidate_is_promoted_and_blue_goes_after_the_cooldown(
    world: Rolling,
) -> None:
    await to_canary(world)
    stages = []
    for _ in range(120):
        world.ledger.judged("blue", 10, 10)
        world.ledger.judged("green", 19, 1)
        status = await world.pass_after(10)
        stages.append(status["stage"])
        if status["stage"] == "Promoted":
            break
    assert sorted(set(stages), key=stages.index) == ["Canary", "Shifting", "Promoted"] or sorted(
        set(stages), key=stages.index
    ) == ["Shifting", "Promoted"]
    assert status["weights"] == {"blue": 0, "green": 100}
    assert status["verdict"]["outcome"] == "Promoted"
    world.ledger.judged("green", 100, 5)
    status = await world.pass_after(300)
    assert status["stage"] == "Promoted"
    status = await world.pass_after(301)
    assert status["stage"] == "Complete"
    assert status["utility"]["base"] > 0.8
    ready = {c["type"]: c["status"] for c in status["conditions"]}
    assert ready == {"Ready": "True"}


async def test_a_broken_candidate_goes_back_and_the_shares_are_written_before_all_else(
    world: Rolling,
) -> None:
    await to_canary(world)
    world.routers.behind = {("ai/sorter", "v2"): 5}
    for _ in range(10):
        world.ledger.judged("blue", 30, 2)
        world.ledger.judged("green", 0, 4)
        status = await world.pass_after(2)
        if status["stage"] != "Canary":
            break
    assert (status["stage"], status["weights"]["green"]) == ("RollingBack", 0)
    assert "routers" in status["waitsFor"]
    world.routers.behind = None
    status = await world.pass_after(1)
    assert status["stage"] == "RolledBack"
    assert status["failuresKept"] == world.ledger.green.judged
    assert world.ledger.kept[0].revisions == ("green1",)
    assert status["verdict"]["outcome"] == "RolledBack"
    assert {c["type"] for c in status["conditions"] if c["status"] == "True"} == {"Stalled"}


async def test_nothing_is_decided_while_the_ledger_is_silent(world: Rolling) -> None:
    await to_canary(world)
    world.ledger.judged("green", 0, 50)
    world.ledger.judged("blue", 50, 0)
    world.ledger.away = True
    status = await world.pass_after(3600)
    assert (status["stage"], status["weights"]["green"]) == ("Canary", 5)
    reasons = {c["type"]: c["reason"] for c in status["conditions"]}
    assert reasons["Ready"] == "LedgerSilent"
    world.ledger.away = False
    assert (await world.pass_after(10))["weights"]["green"] == 0
    status = await world.pass_after(1)
    assert status["stage"] == "RolledBack"  # what was said meanwhile counts when it comes


async def test_a_person_aborts_while_the_ledger_is_silent(world: Rolling) -> None:
    await to_canary(world)
    world.ledger.away = True
    put(world, rollout_body(**QUICK, abort=True))
    status = await world.pass_after(2)
    assert (status["stage"], status["weights"]["green"]) == ("RollingBack", 0)
    assert "failures" in status["waitsFor"]
    status = await world.pass_after(700)
    assert status["stage"] == "Aborted"  # a dead ledger does not hold green's GPUs for ever


async def test_what_a_router_said_before_the_share_was_written_is_no_word_on_it(
    world: Rolling,
) -> None:
    world.routers.behind = {("ai/sorter", "v2"): 0}  # it has not taken up the 5 % yet
    await to_canary(world)
    put(world, rollout_body(**QUICK, abort=True))
    assert (await world.step())["stage"] == "RollingBack"
    assert (await world.pass_after(1))["stage"] == "Aborted"


async def test_a_second_rollout_waits_by_name_until_the_first_has_ended(world: Rolling) -> None:
    await to_canary(world)
    put(world, rollout_body("v3", **QUICK))
    status = await world.step("v3")
    assert (status["stage"], status["weights"]["green"]) == ("Pending", 0)
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "AnotherRollout"
    assert "Rollout v2 of Specialist ai/sorter is under way (Canary)" in ready["message"]
    put(world, rollout_body("v2", **QUICK, abort=True))
    assert (await world.pass_after(2, "v2"))["stage"] == "Aborted"
    assert (await world.step("v3"))["stage"] == "Canary"


async def test_a_rollout_for_nobody_waits_and_one_whose_specialist_goes_is_aborted(
    world: Rolling,
) -> None:
    cluster = world.cluster
    assert isinstance(cluster, FakeCluster)
    cluster.remove(SPECIALIST, "ai/sorter")
    status = await to_canary(world)
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "SpecialistNotFound"
    cluster.put(specialist_body())
    assert (await world.step())["stage"] == "Canary"
    cluster.remove(SPECIALIST, "ai/sorter")
    world.operator.rollouts.forget_sides("ai/sorter")
    world.state = None
    status = await world.pass_after(2)
    assert (status["stage"], status["verdict"]["reason"]) == ("Aborted", "SpecialistDeleted")


async def test_a_spec_that_changes_again_and_again_tries_only_the_last(world: Rolling) -> None:
    for name in ("r1", "r2", "r3"):
        put(world, rollout_body(name, **QUICK))
        world.green(superseded="" if name == "r1" else name)
        if name == "r1":
            assert (await world.step("r1"))["stage"] == "Canary"
    assert (await world.pass_after(2, "r1"))["verdict"]["reason"] == "Superseded"
    assert (await world.pass_after(2, "r2"))["verdict"]["reason"] == "Superseded"
    world.green(superseded="")
    assert (await world.pass_after(2, "r3"))["stage"] == "Canary"


@pytest.mark.parametrize(
    ("green", "reason"),
    [
        ({"refused": "the candidate is what runs already"}, "CandidateRefused"),
        ({"ready": False, "fault": "image cannot be pulled"}, "GreenFailed"),
    ],
)
async def test_a_candidate_that_cannot_be_is_out_before_anybody_is_served(
    world: Rolling, green: dict[str, Any], reason: str
) -> None:
    world.green(**green)
    status = await to_canary(world)
    assert status["stage"] in {"Aborted", "RolledBack"}
    assert status["verdict"]["reason"] == reason
    assert {point["greenPercent"] for point in status["trajectory"]} == {0}
    assert not world.ledger.kept  # it answered nobody


async def test_without_room_it_waits_and_says_the_way_out(world: Rolling) -> None:
    world.green(ready=False, no_room="tier l4 has no room for both: 1 blue replica fewer would do")
    status = await to_canary(world)
    reasons = {c["type"]: c["reason"] for c in status["conditions"]}
    assert (status["stage"], reasons["Ready"]) == ("Pending", "NoRoom")
    assert "1 blue replica fewer" in status["waitsFor"]
    restart(world)
    await world.pass_after(2 * DAY_S)
    since = world.ledger.asked[-1].since
    assert DAY_S <= world.now.timestamp() - since < DAY_S + 3600  # what a forecast is made of


async def test_one_pod_of_green_never_gets_more_than_it_can_carry(world: Rolling) -> None:
    world.green(carries_percent=11)
    await to_canary(world)
    for _ in range(40):
        world.ledger.judged("blue", 12, 8)
        world.ledger.judged("green", 10, 1)
        status = await world.pass_after(10)
        if status["stage"] == "Promoted":
            break
        assert status["weights"]["green"] <= 11
    assert status["stage"] == "Promoted"
    assert status["weights"]["green"] == 11  # grows as green's pods do
    world.green(carries_percent=100)
    assert (await world.pass_after(2))["weights"] == {"blue": 0, "green": 100}


async def test_a_verdict_that_is_taken_back_waits_until_the_sums_can_be_true(
    world: Rolling,
) -> None:
    await to_canary(world)
    world.ledger.judged("blue", 10, 2)
    world.ledger.judged("green", 5)
    before = await world.pass_after(2)
    world.ledger.judged("green", -1, 1)  # a person says that an accepted answer was wrong
    status = await world.pass_after(2)
    assert json.loads(status["sums"]) == json.loads(before["sums"])
    world.ledger.judged("green", 4, 0)
    status = await world.pass_after(2)
    assert status["windows"]["green"]["interactions"] == 9
    assert status["windows"]["green"]["acceptedRate"] == pytest.approx(8 / 9, abs=1e-3)


async def test_a_pause_keeps_the_shares_and_the_evidence_goes_on(world: Rolling) -> None:
    await to_canary(world)
    put(world, rollout_body(**QUICK, paused=True))
    world.ledger.judged("blue", 30, 2)
    world.ledger.judged("green", 0, 20)
    status = await world.pass_after(10)
    assert (status["stage"], status["weights"]["green"]) == ("Paused", 5)
    put(world, rollout_body(**QUICK))
    assert (await world.pass_after(10))["verdict"]["outcome"] == "RolledBack"


async def test_an_unreadable_benchmark_holds_and_a_lost_one_sends_back(world: Rolling) -> None:
    unreadable = Examination("Unreadable", why="ConfigMap ai/questions does not exist")
    world.examiner.known = Examined(benchmark=unreadable)
    status = await to_canary(world)
    assert status["stage"] == "Benchmark"
    assert "ConfigMap ai/questions does not exist" in status["waitsFor"]
    lost = Examination("Done", loses=True, why="green 30 of 50 right, blue 44")
    world.examiner.known = Examined(benchmark=lost, benchmark_status={"state": "Done"})
    status = await world.pass_after(2)
    assert status["verdict"]["reason"] == "BenchmarkRegression"
    assert status["benchmark"] == {"state": "Done"}


async def test_a_rollout_that_cannot_be_read_says_what_is_wrong(world: Rolling) -> None:
    status = await to_canary(world, strategy={"floorPercent": 60, "ceilingPercent": 40})
    ready = next(c for c in status["conditions"] if c["type"] == "Ready")
    assert ready["reason"] == "InvalidSpec"
    assert "floorPercent must be below ceilingPercent" in ready["message"]


async def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(world: Rolling) -> None:
    await to_canary(world)
    for turn in range(60):
        world.ledger.judged("blue", 10, 10)
        world.ledger.judged("green", 19, 1)
        if turn % 2:
            restart(world)
        status = await world.pass_after(10)
        if status["stage"] == "Promoted":
            break
    assert status["verdict"]["outcome"] == "Promoted"
    counted = json.loads(status["sums"])
    assert counted["green"]["judged"] == status["windows"]["green"]["interactions"]
    assert counted["blue"]["judged"] == status["windows"]["blue"]["interactions"]


async def test_an_external_specialist_has_nothing_to_roll_out(world: Rolling) -> None:
    external = {"baseURL": "https://api.example.com/v1", "model": "gpt"}
    cluster = world.cluster
    assert isinstance(cluster, FakeCluster)
    cluster.remove(SPECIALIST, "ai/sorter")
    body = specialist_body()
    del body["spec"]["model"]
    cluster.put({**body, "spec": {**body["spec"], "external": external}})
    world.state = None
    status = await to_canary(world)
    assert status["verdict"]["reason"] == "CandidateRefused"
    assert "is an external endpoint" in status["verdict"]["message"]


async def test_what_was_seen_of_another_rollouts_pods_says_nothing_of_this_one(
    world: Rolling,
) -> None:
    world.state = None
    put(world, rollout_body("v2", **QUICK))
    put(world, rollout_body("v3", **QUICK))
    world.operator.rollouts.sides("ai/sorter", SERVING, "v3")
    assert await world.step("v2") == {}


async def test_shadows_are_compared_without_peoples_words_and_nobody_is_sent_to_green(
    world: Rolling,
) -> None:
    status = await to_canary(world, strategy={"type": "Shadow", "deadline": "1h"})
    assert (status["stage"], status["weights"]["green"]) == ("Shadow", 0)
    assert status["shadowPercent"] == 10
    for _ in range(8):
        world.ledger.judged("blue", 20, 5)
        world.ledger.judged("green", 4, 1)
        status = await world.pass_after(2)
    assert not world.ledger.asked[-1].feedback
    assert status["windows"]["green"]["interactions"] == 40
    put(world, rollout_body(strategy={"type": "Shadow", "deadline": "1h"}, promote=True))
    assert (await world.pass_after(2))["weights"]["green"] == 100
    world.ledger.judged("green", 30, 2)
    before = await world.pass_after(2)  # counts from here on, with people's words
    world.ledger.judged("green", 10)
    await world.pass_after(2)
    assert world.ledger.asked[-1].feedback
    assert json.loads(before["sums"])["green"]["judged"] == 72


async def test_blue_green_switches_at_once_and_is_watched_while_blue_is_warm(
    world: Rolling,
) -> None:
    good = Examination("Done", why="green 44 of 50 right, blue 44")
    told = {"state": "Done", "questions": 50}
    world.examiner.known = Examined(benchmark=good, benchmark_status=told)
    status = await to_canary(world, strategy={"type": "BlueGreen", "cooldown": "10m"})
    assert (status["stage"], status["weights"]["green"]) == ("Promoted", 100)
    for _ in range(10):
        world.ledger.judged("green", 1, 9)
        status = await world.pass_after(5)
        if status["stage"] != "Promoted":
            break
    assert status["weights"] == {"blue": 100, "green": 0}
    assert status["verdict"]["outcome"] == "RolledBack"
    assert status["verdict"]["reason"] == "RegressionInCooldown"


class Killed(FakeCluster):
    """Every so often the operator dies over a status write: before it, or before its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.deaths = 0

    async def apply(self, kind: Kind, body: Any, subresource: str = "") -> Any:
        if subresource != "status" or kind is not ROLLOUT:
            return await super().apply(kind, body, subresource)
        self.count += 1
        if self.count % 4 == 3:
            self.deaths += 1
            raise asyncio.CancelledError
        answer = await super().apply(kind, body, subresource)
        if self.count % 5 == 0:
            self.deaths += 1
            raise asyncio.CancelledError
        return answer


@pytest.mark.parametrize("ends", ["Promoted", "RolledBack"])
async def test_killed_over_a_write_no_answer_is_lost_or_counted_twice(ends: str) -> None:
    cluster = Killed()
    world = Rolling(cluster)
    cluster.told = feeding(world.operator.store)
    cluster.put(specialist_body())
    world.ledger.judged("day", 200, 50)
    put(world, rollout_body(**QUICK))
    status: dict[str, Any] = {}
    for turn in range(100):
        world.ledger.judged("blue", 6, 4)
        world.ledger.judged("green", *((5, 0) if ends == "Promoted" else (2, 3)))
        try:
            await world.pass_after(10)
        except asyncio.CancelledError:
            restart(world)
        status = cluster.find("Rollout", "ai/v2").get("status", {})
        counted = json.loads(status.get("sums") or "{}")
        for side in ("blue", "green") if "windows" in status else ():
            assert counted[side]["judged"] == status["windows"][side]["interactions"], turn
        if status.get("stage") == ends:
            break
    assert status["stage"] == ends
    assert cluster.deaths > 2
    world.operator.queue.close()


async def test_without_a_ledger_nobody_is_sent_to_green(world: Rolling) -> None:
    world.has_ledger = False
    restart(world)
    status = await to_canary(world)
    assert status["weights"]["green"] == 0
    assert operations(status) == "the operator was not told of a ledger (--ledger-url)"


async def test_the_gates_say_why_the_ledger_is_not_counted_on(world: Rolling) -> None:
    world.ledger.away = True
    status = await to_canary(world)
    assert operations(status) == "the ledger gives no answer: connection refused"
    world.ledger.away = False
    assert operations(await world.pass_after(10)) == "outcomes are recorded"


def operations(status: dict[str, Any]) -> str:
    """Give what the gate of operations says."""
    return str({gate["name"]: gate["message"] for gate in status["gates"]}["OperationalReadiness"])


async def test_answers_that_were_all_alike_stop_no_forecast(world: Rolling) -> None:
    world.ledger.day = Window()
    world.ledger.judged("day", 100)
    for kind in ("Utility", "Stages", "Shadow"):
        status = await to_canary(world, name=kind.lower(), strategy={"type": kind})
        status = await world.step(kind.lower())
        assert "judged answers" in status["forecast"]["message"], kind
        put(world, rollout_body(kind.lower(), strategy={"type": kind}, abort=True))
        assert (await world.pass_after(1, kind.lower()))["stage"] == "Aborted"


async def test_an_error_of_our_own_is_told_on_the_rollout_and_moves_no_share(
    world: Rolling,
) -> None:
    await to_canary(world)

    def broken(*_: object) -> Examined:
        raise ZeroDivisionError("float division by zero")

    world.examiner.examine = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        await world.pass_after(2)
    status = world.operator.store.rollouts.get("ai/v2").status  # type: ignore[union-attr]
    assert {c["reason"] for c in status["conditions"]} == {"InternalError"}
    assert (status["stage"], status["weights"]["green"]) == ("Canary", 5)


async def test_the_gauges_tell_of_it(world: Rolling) -> None:
    await to_canary(world)
    world.ledger.judged("blue", 10, 2)
    world.ledger.judged("green", 5)
    await world.pass_after(2)
    world.operator.refresh_metrics()
    metric = world.operator.metrics.registry.get_sample_value
    assert metric("tierwise_operator_rollouts", {"stage": "Canary"}) == 1
    assert metric("tierwise_operator_rollout_green_percent", {"specialist": "ai/sorter"}) == 5
    labels = {"specialist": "ai/sorter", "side": "green"}
    assert metric("tierwise_operator_rollout_utility", labels) is not None


MADE_BY = {"candidate": {"trainedBy": "sorter-train-1"}}


async def trained(world: Rolling, **told: Any) -> None:
    """Say how the training stands, as the watch over drift does."""
    body = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "v2", "namespace": "ai"},
        "status": {"training": {"job": "sorter-train-1", **told}},
    }
    answer = await world.cluster.apply(ROLLOUT, body, "status", "tierwise-drift")
    world.operator.store.observe(ROLLOUT, answer)


async def test_a_candidate_in_training_is_waited_for_and_then_tried(world: Rolling) -> None:
    world.green(ready=False, green_revisions=(), green_urls=())
    put(world, rollout_body(**{**QUICK, **MADE_BY}))
    status = await world.step()
    assert (status["stage"], status["waitsFor"]) == ("Training", "Job sorter-train-1")
    assert {one["reason"] for one in status["conditions"] if one["type"] == "Ready"} == {"Training"}
    await trained(world, message="Job sorter-train-1: runs")
    status = await world.pass_after(7200)  # longer than green may take to start
    assert status["stage"] == "Training"
    await trained(world, model={"source": "pvc://trained/1"})
    status = await world.step()
    assert status["stage"] == "Pending"
    assert status["sides"]["green"]["model"] == {"source": "pvc://trained/1"}
    world.green(ready=True, green_revisions=("green1",), green_urls=("http://10.0.0.2:8000",))
    status = await world.step()
    assert (status["stage"], status["weights"]["green"]) == ("Canary", 5)
    stored = await world.cluster.get(ROLLOUT, "ai", "v2")
    assert stored is not None
    assert stored["status"]["training"]["model"] == {"source": "pvc://trained/1"}


async def test_a_training_that_made_nothing_ends_the_rollout_by_name(world: Rolling) -> None:
    world.green(ready=False, green_revisions=(), green_urls=())
    put(world, rollout_body(**{**QUICK, **MADE_BY}))
    await world.step()
    await trained(world, problem="its Job failed: out of memory")
    status = await world.pass_after(1)
    assert (status["stage"], status["verdict"]["reason"]) == ("Aborted", "TrainingFailed")
    assert "out of memory" in status["verdict"]["message"]


def medical(**asked: Any) -> dict[str, Any]:
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "FieldProfile",
        "metadata": {"name": "sorting"},
        "spec": {
            "weights": {"efficacy": 0.6, "confidence": 0.35, "curiosity": 0.05},
            "compliance": asked,
        },
    }


def compliance(status: dict[str, Any]) -> tuple[str, str]:
    (found,) = (gate for gate in status["gates"] if gate["name"] == "Compliance")
    return found["state"], found["message"]


@pytest.mark.parametrize(
    ("asked", "lacks"),
    [
        ({"standards": ["HIPAA"]}, "spec.routing of sorter: it does not list hipaa"),
        ({"regions": ["eu"]}, "spec.routing of sorter: its region is not known; eu is needed"),
        ({"sources": ["s3://approved/"]}, "file:///models/v2 is below none of s3://approved/"),
    ],
)
async def test_what_the_field_asks_for_holds_a_candidate_that_lacks_it(
    world: Rolling, asked: dict[str, Any], lacks: str
) -> None:
    put(world, medical(**asked))
    status = await to_canary(world)
    assert (status["stage"], status["weights"]["green"]) == ("Pending", 0)
    state, why = compliance(status)
    assert (state, why[: len(lacks)]) == ("Missing", lacks)
    assert lacks in status["waitsFor"]


async def test_a_candidate_with_all_that_is_asked_for_goes_on_and_a_skip_is_told(
    world: Rolling,
) -> None:
    promised = {"compliance": ["HIPAA", "SOC2"], "region": "eu-central-1"}
    put(world, specialist_body(routing=promised))
    put(world, medical(standards=["hipaa"], regions=["eu"], sources=["file:///models/"]))
    status = await to_canary(world)
    assert status["stage"] == "Canary"
    assert compliance(status) == ("Passed", "what the field asks for is there")
    put(world, medical(sources=["s3://approved/"]))
    body = rollout_body("v3", strategy={**QUICK["strategy"], "skipGates": ["Compliance"]})
    put(world, rollout_body(**{**QUICK, "abort": True}))
    await world.pass_after(1)
    put(world, body)
    status = await world.step("v3")
    assert (status["stage"], compliance(status)[0]) == ("Canary", "Skipped")
