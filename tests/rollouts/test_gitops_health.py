"""What Argo CD, Flux and kstatus make of a Rollout and of its Specialist.

Argo CD's checks run as Argo CD runs them, as Lua 5.1. kstatus's order of questions is written out
here (its reader is Go): an old generation, Reconciling, Stalled, Ready.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from docblocks import ROOT
from lupa import lua51

from tierwise_core.conditions import FALSE, TRUE, Verdict
from tierwise_core.kstatus import rollout_health, specialist_health, under_way
from tierwise_core.rollout.order import Order
from tierwise_core.rollout.situation import Standing
from tierwise_core.rollout.stages import Stage
from tierwise_core.sides import sides
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_core.stable import first

CONFIG = yaml.safe_load((ROOT / "examples/gitops/argocd-cm.yaml").read_text())["data"]
ACTIONS = yaml.safe_load(CONFIG["resource.customizations.actions.tierwise.dev_Rollout"])
SERVES = Verdict("Ready", TRUE, "Ready", "2 replicas serve")
Body = dict[str, Any]


def lua(script: str, body: Body) -> Body:
    """Run a script of Argo CD's on an object, and give what it returns as plain values."""
    runtime = lua51.LuaRuntime(unpack_returned_tuples=True)
    runtime.globals()["obj"] = _table(runtime, body)
    return dict(_plain(runtime.execute(script)))


def _table(runtime: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return runtime.table_from({name: _table(runtime, one) for name, one in value.items()})
    if isinstance(value, list):
        return runtime.table_from([_table(runtime, one) for one in value])
    return value


def _plain(value: Any) -> Any:
    return {k: _plain(v) for k, v in value.items()} if lua51.lua_type(value) == "table" else value


def argo(kind: str, body: Body) -> str:
    return str(lua(CONFIG[f"resource.customizations.health.tierwise.dev_{kind}"], body)["status"])


def kstatus(body: Body) -> str:
    status = body.get("status", {})
    if status.get("observedGeneration", 0) < body["metadata"]["generation"]:
        return "InProgress"
    found = {one["type"]: one["status"] == "True" for one in status.get("conditions", [])}
    if found.get("Reconciling"):
        return "InProgress"
    if found.get("Stalled"):
        return "Failed"
    return "Current" if found.get("Ready", True) else "InProgress"


def observed(verdicts: tuple[Verdict, ...], generation: int = 1, **status: Any) -> Body:
    conditions = [
        {"type": one.type, "status": one.status, "reason": one.reason, "message": one.message}
        for one in verdicts
    ]
    return {
        "metadata": {"generation": generation},
        "spec": {},
        "status": {"observedGeneration": 1, "conditions": conditions, **status},
    }


WANT = {
    Stage.PENDING: ("Progressing", "InProgress"),
    Stage.TRAINING: ("Progressing", "InProgress"),
    Stage.BENCHMARK: ("Progressing", "InProgress"),
    Stage.SHADOW: ("Progressing", "InProgress"),
    Stage.SHADOW: ("Progressing", "InProgress"),
    Stage.CANARY: ("Progressing", "InProgress"),
    Stage.SHIFTING: ("Progressing", "InProgress"),
    Stage.INCONCLUSIVE: ("Suspended", "InProgress"),
    Stage.PAUSED: ("Suspended", "InProgress"),
    Stage.PROMOTED: ("Healthy", "Current"),
    Stage.COMPLETE: ("Healthy", "Current"),
    Stage.ROLLING_BACK: ("Degraded", "Failed"),
    Stage.ROLLED_BACK: ("Degraded", "Failed"),
    Stage.ABORTED: ("Degraded", "Failed"),
}


@pytest.mark.parametrize("stage", list(Stage))
def test_every_stage_of_a_rollout_has_its_health(stage: Stage) -> None:
    body = observed(rollout_health(stage, "AnyReason", "in numbers"), stage=stage.value)

    assert (argo("Rollout", body), kstatus(body)) == WANT[stage]


@pytest.mark.parametrize(
    ("verdicts", "want"),
    [
        ((SERVES,), ("Healthy", "Current")),
        ((*specialist_health(SERVES, "sorter-5d: Canary"), SERVES), ("Progressing", "InProgress")),
        (
            (
                *specialist_health(
                    SERVES, rejected=Verdict("RolloutRejected", TRUE, "UtilityRegression", "worse")
                ),
                SERVES,
            ),
            ("Degraded", "Failed"),
        ),
        ((Verdict("Ready", FALSE, "Loading", ""),), ("Progressing", "InProgress")),
        ((Verdict("Ready", FALSE, "ScaledToZero", "at rest"),), ("Suspended", "InProgress")),
    ],
)
def test_a_specialist_has_its_health(verdicts: tuple[Verdict, ...], want: tuple[str, str]) -> None:
    body = observed(verdicts)

    assert (argo("Specialist", body), kstatus(body)) == want


def test_what_waiting_does_not_mend_has_failed() -> None:
    ready = Verdict("Ready", FALSE, "NoTierFits", "needs 80 GiB")
    body = observed((*specialist_health(ready), ready))

    assert (argo("Specialist", body), kstatus(body)) == ("Degraded", "Failed")


OLD, NEW = ModelSpec("hf://acme/sorter", "v1"), ModelSpec("hf://acme/sorter", "v2")
SERVED = {"stable": first(OLD).wire()}


def a_specialist(model: ModelSpec) -> Specialist:
    return Specialist("ai", "sorter", "u", 2, "sorting", model=model, status=SERVED)


def an_order(stage: Stage, percent: int) -> Order:
    standing = Standing(stage, percent)
    return Order("ai", "sorter-v2", "r", 1, "ai/sorter", candidate=NEW, standing=standing)


def test_a_changed_model_is_on_its_way_from_the_first_look_on() -> None:
    """Else a reader would take the old model, ready under the new generation, for the new one."""
    begins = sides(a_specialist(NEW))
    waits = sides(a_specialist(NEW), serves=False)

    assert under_way(begins) == f"Rollout {begins.opens} begins"
    assert under_way(waits) == "spec.model is tried once blue serves"
    assert under_way(sides(a_specialist(OLD))) == ""


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage.CANARY, "Rollout sorter-v2 is Canary, 5 % of the requests to the candidate"),
        (Stage.PROMOTED, ""),
    ],
)
def test_a_specialist_is_reconciling_until_green_serves_everybody(stage: Stage, words: str) -> None:
    found = sides(a_specialist(NEW), [an_order(stage, 5)])

    assert under_way(found) == words


@pytest.mark.parametrize("kind", ["Rollout", "Specialist"])
def test_an_older_generation_says_nothing_of_this_one(kind: str) -> None:
    body = observed((SERVES,), generation=2, stage="Complete")

    assert (argo(kind, body), kstatus(body)) == ("Progressing", "InProgress")
    assert argo(kind, {"metadata": {"generation": 1}, "spec": {}}) == "Progressing"


@pytest.mark.parametrize(
    ("stage", "paused", "offered"),
    [
        ("Canary", False, {"pause", "promote", "abort"}),
        ("Paused", True, {"resume", "promote", "abort"}),
        ("Promoted", False, {"pause", "abort"}),
        ("RollingBack", False, set()),
        ("RolledBack", False, set()),
        ("Complete", False, set()),
    ],
)
def test_argo_cd_offers_what_can_be_done(stage: str, *, paused: bool, offered: set[str]) -> None:
    body = {"spec": {"paused": paused}, "status": {"stage": stage}}
    told = lua(ACTIONS["discovery.lua"], body)

    assert {name for name, one in told.items() if not one["disabled"]} == offered


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("pause", {"paused": True}),
        ("resume", {"paused": False}),
        ("promote", {"promote": True, "abort": False, "paused": False}),
        ("abort", {"promote": False, "abort": True, "paused": True}),
    ],
)
def test_argo_cds_buttons_set_the_spec(name: str, spec: Body) -> None:
    script = next(one["action.lua"] for one in ACTIONS["definitions"] if one["name"] == name)
    before = {"paused": True} if name in {"resume", "promote", "abort"} else {}

    assert lua(script, {"spec": before})["spec"] == spec
