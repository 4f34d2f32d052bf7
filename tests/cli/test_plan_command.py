"""`tierwise plan` on files: places, costs, changes, what-ifs, and input that is wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from docblocks import ROOT
from typer.testing import CliRunner

from tierwise_cli.main import app

FLEETS = ROOT / "examples/fleets"
GPU = "nvidia.com/gpu"
Body = dict[str, Any]


def plan(*arguments: object, stdin: str | None = None) -> Result:
    env = {"NO_COLOR": "1", "KUBECONFIG": "/nonexistent", "HF_ENDPOINT": "http://127.0.0.1:9"}
    return CliRunner().invoke(app, ["plan", *map(str, arguments)], input=stdin, env=env)


def as_json(*arguments: object, stdin: str | None = None, code: int = 0) -> Body:
    told = plan(*arguments, "--offline", "--output", "json", stdin=stdin)
    assert told.exit_code == code, told.output
    return dict(json.loads(told.stdout))


def tier(name: str, price: float = 1.0, memory: str = "24Gi", **spec: Any) -> Body:
    gpu = {"product": name.upper(), "memory": memory, "bandwidthGBs": 1000}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": name},
        "spec": {"gpu": gpu, "price": {"perGPUHour": price}, "nodeSelector": {"gpu": name}} | spec,
    }


def node(name: str, of: str, gpus: int = 1, **more: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"gpu": of}},
        "status": {"allocatable": {GPU: str(gpus)}},
        **more,
    }


def specialist(name: str, weights: str = "4Gi", replicas: int = 1, **spec: Any) -> Body:
    size = {"weights": weights, "kvBytesPerToken": 1024}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "ai"},
        "spec": {
            "field": name,
            "model": {"source": f"hf://acme/{name}", "maxModelLen": 1024, "size": size},
            "placement": {"replicas": {"min": replicas}},
        }
        | spec,
    }


def small_fleet() -> list[Body]:
    return [
        tier("small", 0.4),
        tier("large", 3.0, "80Gi"),
        node("s1", "small", 2),
        node("l1", "large", 4),
        specialist("sorter", replicas=2),
        specialist("frontier", "40Gi", field="general", placement={"tensorParallel": 1}),
    ]


@pytest.fixture
def fleet(tmp_path: Path) -> Any:
    def write(bodies: list[Body], name: str = "fleet.yaml") -> Path:
        (tmp_path / name).write_text(yaml.safe_dump_all(bodies))
        return tmp_path / name

    return write


def places(outcome: Mapping[str, Any]) -> dict[str, list[tuple[str, int, int]]]:
    return {
        placed["name"]: [
            (share["tier"], share["replicas"], share["gpusPerReplica"])
            for share in placed["shares"]
        ]
        for placed in outcome["specialists"]
    }


def test_each_goes_to_the_cheapest_tier_it_fits(fleet: Any) -> None:
    found = as_json("-f", fleet(small_fleet()))

    assert places(found) == {"ai/frontier": [("large", 1, 1)], "ai/sorter": [("small", 2, 1)]}
    assert found["totals"]["usdPerHour"] == pytest.approx(2 * 0.4 + 3.0)
    assert found["totals"]["used"] == 3
    (frontier, _) = found["specialists"]
    assert frontier["why"] == "cheapest; too small: small"
    assert found["changes"] is None


def test_standard_input_directories_and_several_files_are_read(fleet: Any, tmp_path: Path) -> None:
    whole = places(as_json("-f", fleet(small_fleet())))

    text = yaml.safe_dump_all(small_fleet())
    assert places(as_json("-f", "-", stdin=text)) == whole
    assert places(as_json("-f", tmp_path)) == whole
    fleet(small_fleet()[:3], "one.yaml")
    fleet(small_fleet()[3:], "two.yaml")
    (tmp_path / "fleet.yaml").unlink()
    assert places(as_json("-f", tmp_path / "one.yaml", "-f", tmp_path / "two.yaml")) == whole


def test_a_list_as_kubectl_prints_it_is_read(fleet: Any) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": small_fleet()}
    assert len(as_json("-f", "-", stdin=json.dumps(listed))["specialists"]) == 2


def test_what_a_thousand_tokens_cost_is_the_price_over_the_estimate(fleet: Any) -> None:
    (frontier, sorter) = as_json("-f", fleet(small_fleet()))["specialists"]

    step_seconds = (4 * 2**30 + 8 * 625 * 1024) / (1000e9 * 0.6) + 0.003
    assert sorter["tokensPerSecond"] == pytest.approx(2 * 8 / step_seconds, rel=1e-4)
    assert sorter["usdPer1kTokens"] == pytest.approx(
        0.4 / (8 / step_seconds * 3600) * 1000, rel=1e-4
    )
    assert not sorter["tokensPerSecondMeasured"]
    assert frontier["usdPer1kTokens"] > sorter["usdPer1kTokens"]


def test_a_measured_speed_comes_before_the_estimate(fleet: Any) -> None:
    bodies = small_fleet()
    bodies[4]["status"] = {
        "replicas": 2,
        "placement": {"tier": "small", "tensorParallel": 1, "gpusPerReplica": 1},
        "performance": {"generationTokensPerSecond": 500.0},
    }
    sorter = as_json("-f", fleet(bodies))["specialists"][1]

    assert sorter["tokensPerSecond"] == 1000.0
    assert sorter["tokensPerSecondMeasured"]


def test_the_autoscalers_word_counts_where_the_number_is_its_own(fleet: Any) -> None:
    bodies = small_fleet()
    bodies[4]["status"] = {"scaling": {"desiredReplicas": 2}}
    bodies[4]["spec"]["placement"] = {"replicas": {"min": 1, "max": 3}}
    assert places(as_json("-f", fleet(bodies)))["ai/sorter"] == [("small", 2, 1)]

    bodies[4]["spec"]["placement"] = {"replicas": {"min": 1}}
    assert places(as_json("-f", fleet(bodies)))["ai/sorter"] == [("small", 1, 1)]


def test_what_a_tier_has_learned_corrects_the_estimate(fleet: Any) -> None:
    bodies = small_fleet()
    before = as_json("-f", fleet(bodies))["specialists"][1]["shares"][0]
    bodies[0]["status"] = {"correction": {"samples": 5, "overheadBytes": 2**30}}
    after = as_json("-f", fleet(bodies))["specialists"][1]["shares"][0]

    assert after["overheadBytes"] - before["overheadBytes"] == 2**30


def test_an_all_frontier_fleet_makes_the_same_tokens_on_the_generalist(fleet: Any) -> None:
    found = as_json("-f", fleet(small_fleet()))
    frontier, one = found["frontier"], found["specialists"][0]

    assert (frontier["model"], frontier["tier"]) == ("ai/frontier", "large")
    needed = found["totals"]["tokensPerSecond"]
    assert frontier["replicas"] == -(-needed // one["tokensPerSecond"])
    assert frontier["usdPerHour"] == frontier["gpus"] * 3.0


def test_a_provider_is_the_frontier_where_no_generalist_is_our_own(fleet: Any) -> None:
    price = {"inputPerMillionTokens": 1.0, "outputPerMillionTokens": 4.0}
    external = {"baseURL": "https://api.example.com/v1", "model": "m", "price": price}
    provider = specialist("provider", field="general")
    provider["spec"] = {"field": "general", "external": external}
    found = as_json("-f", fleet([*small_fleet()[:5], provider]))

    assert found["external"] == ["ai/provider"]
    assert found["frontier"]["usdPer1kTokens"] == pytest.approx(0.006)
    hourly = found["totals"]["tokensPerSecond"] * 3.6 * 0.006
    assert found["frontier"]["usdPerHour"] == pytest.approx(hourly, rel=1e-3)


def test_what_serves_is_planned_and_not_a_model_that_was_rejected(
    fleet: Any, tmp_path: Path
) -> None:
    asked = specialist("sorter", "60Gi")
    small = specialist("sorter", "4Gi")["spec"]["model"] | {"revision": "v1"}
    asked["status"] = {"stable": {"model": small, "answers": "0123abcd"}}
    around = [
        tier("small", 0.4),
        tier("large", 3.0, "80Gi"),
        node("s1", "small"),
        node("l1", "large"),
    ]

    found = as_json("-f", fleet([*around, asked]))

    assert places(found)["ai/sorter"] == [("small", 1, 1)]


def test_what_has_no_place_is_told_tier_by_tier_and_exits_with_1(fleet: Any) -> None:
    bodies = [*small_fleet(), specialist("giant", "900Gi")]
    told = plan("-f", fleet(bodies), "--offline")

    assert told.exit_code == 1
    assert "2 of 3 Specialists placed" in told.stdout
    assert "No place for giant (NoTierFits)" in told.stdout
    assert "has 80.0 GiB x 0.90 = 72.0 GiB usable" in told.stdout.replace("\n", " ")
    assert plan("-f", fleet(bodies), "--offline", "--exit-zero").exit_code == 0


def test_partly_placed_is_not_placed(fleet: Any) -> None:
    bodies = small_fleet()
    bodies[4]["spec"]["placement"] = {"replicas": {"min": 9}, "tiers": ["small"]}
    found = as_json("-f", fleet(bodies), code=1)

    assert places(found)["ai/sorter"] == [("small", 2, 1)]
    (missing,) = found["unplaced"]
    assert (missing["name"], missing["replicas"]) == ("ai/sorter", 7)


def test_one_bad_object_does_not_stop_the_others(fleet: Any) -> None:
    bad = specialist("bad")
    bad["spec"]["placment"] = {}
    told = plan("-f", fleet([*small_fleet(), bad, tier("free", 0.0)]), "--offline")

    assert told.exit_code == 2
    assert "2 of 3 Specialists placed" in told.stdout
    assert "spec.placment: unknown field" in told.stdout.replace("\n", " ")
    assert "spec.price.perGPUHour: perGPUHour must be above 0" in told.stderr
    assert "fleet.yaml: Specialist bad" in told.stdout.replace("\n", " ")


def test_two_tiers_that_claim_one_node_are_told(fleet: Any) -> None:
    twin = tier("twin", 0.5)
    twin["spec"]["nodeSelector"] = {"gpu": "small"}
    told = plan("-f", fleet([*small_fleet(), twin]), "--offline")

    assert told.exit_code == 2
    assert "node s1 matches GPUTiers small and twin" in told.stderr


def test_an_object_that_is_written_twice_is_told(fleet: Any, tmp_path: Path) -> None:
    fleet(small_fleet())
    fleet([specialist("sorter", replicas=1)], "more.yaml")
    told = plan("-f", tmp_path, "--offline")

    assert told.exit_code == 2
    assert "more.yaml: Specialist sorter: Specialist sorter is in" in told.stderr
    assert "2 of 2 Specialists placed" in told.stdout


def test_changes_are_against_what_the_statuses_say_runs(fleet: Any) -> None:
    bodies = small_fleet()
    for body, replicas in ((bodies[4], 1), (bodies[5], 1)):
        body["status"] = {
            "replicas": replicas,
            "placement": {
                "tiers": [
                    {
                        "tier": "small" if body is bodies[4] else "large",
                        "replicas": replicas,
                        "gpusPerReplica": 1,
                        "tensorParallel": 1,
                    }
                ]
            },
        }
    found = as_json("-f", fleet(bodies))["changes"]

    assert found["against"] == "what runs now"
    assert [(line["mark"], line["name"], line["usdPerHour"]) for line in found["lines"]] == [
        ("=", "ai/frontier", 0.0),
        ("~", "ai/sorter", 0.4),
    ]
    assert found["lines"][1]["reason"] == "1 replica more"


@pytest.mark.parametrize(
    ("what_if", "mark", "name"),
    [
        ("specialist sorter replicas=1", "~", "ai/sorter"),
        ("remove specialist sorter", "-", "ai/sorter"),
        ("remove node s1", "~", "ai/sorter"),
        ("price small=9", "~", "ai/sorter"),
        ("nodes small+1", "=", "ai/sorter"),
    ],
)
def test_a_what_if_is_compared_with_the_plan_without_it(
    fleet: Any, what_if: str, mark: str, name: str
) -> None:
    found = as_json("-f", fleet(small_fleet()), "--what-if", what_if, "--exit-zero")

    assert found["whatIf"] == [what_if]
    assert found["changes"]["against"] == "the plan without --what-if"
    marks = {line["name"]: line["mark"] for line in found["changes"]["lines"]}
    assert marks[name] == mark


def test_the_text_shows_changes_line_by_line(fleet: Any) -> None:
    told = plan(
        *("-f", fleet(small_fleet()), "--offline"),
        *("--what-if", "specialist sorter replicas=1", "--what-if", "price large=2"),
    )

    assert "what if: price large=2" in told.stdout
    assert "~  sorter" in told.stdout
    assert "2 on small -> 1 on small" in told.stdout
    assert "-1.40 USD/h in all" in told.stdout


def test_nodes_of_the_catalogue_need_no_tier(fleet: Any) -> None:
    found = as_json(
        "-f", fleet(small_fleet()[4:]), "--nodes", "rtx-4090=2x2", "--nodes", "h100-80gb=1x1"
    )

    assert places(found)["ai/sorter"] == [("rtx-4090", 2, 1)]
    assert {row["name"]: (row["nodes"], row["gpus"]) for row in found["tiers"]} == {
        "rtx-4090": (2, 4),
        "h100-80gb": (1, 1),
    }
    assert any("rtx-4090 costs 0.4 USD/GPU-h" in note for note in found["notes"])


def test_models_of_the_nodes_are_read_where_they_are_here() -> None:
    found = as_json(
        *("-f", ROOT / "examples/quickstart", "--model-root", f"/models={ROOT}/examples/models"),
        *("--nodes", "rtx-4090=1x4", "--nodes", "h100=1x1"),
    )

    assert places(found)["default/frontier"] == [("h100", 1, 1)]
    assert places(found)["default/sorter"] == [("rtx-4090", 1, 1)]
    assert found["notes"] == [note for note in found["notes"] if "not read" not in note]


def test_a_source_that_cannot_be_read_is_said(fleet: Any) -> None:
    bodies = small_fleet()
    del bodies[5]["spec"]["model"]["size"]
    told = plan("-f", fleet(bodies), "--offline")

    assert "No place for frontier (SourceUnreadable)" in told.stdout
    assert "Source not read, sized by spec.model.size: sorter." in told.stdout


def test_a_placed_model_that_cannot_be_read_is_sized_by_its_status(fleet: Any) -> None:
    bodies = small_fleet()
    del bodies[4]["spec"]["model"]["size"]
    memory = {
        "weightsBytes": 4 * 2**30,
        "kvCacheBytes": 2**20,
        "activationBytes": 2**30,
        "overheadBytes": 2**30,
    }
    bodies[4]["status"] = {
        "replicas": 2,
        "placement": {"tier": "small", "tensorParallel": 1, "memory": memory},
    }
    found = as_json("-f", fleet(bodies))

    (sorter,) = [placed for placed in found["specialists"] if placed["name"] == "ai/sorter"]
    assert sorter["shares"][0]["totalBytesPerGPU"] == sum(memory.values())
    assert any("what the running pods were given: sorter" in note for note in found["notes"])


def test_pods_of_others_take_room(fleet: Any) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "training", "namespace": "lab"},
        "spec": {
            "nodeName": "s1",
            "containers": [{"name": "c", "resources": {"limits": {GPU: "1"}}}],
        },
    }
    found = as_json("-f", fleet([*small_fleet(), pod]), "--exit-zero")

    small = next(row for row in found["tiers"] if row["name"] == "small")
    assert small["usedByOthers"] == 1
    assert small["used"] + small["free"] == 1


def test_nodes_that_are_closed_are_told_with_the_reason(fleet: Any) -> None:
    bodies = small_fleet()
    bodies[2]["spec"] = {"unschedulable": True}
    told = plan("-f", fleet(bodies), "--offline", "--exit-zero")

    assert "CLOSED" in told.stdout
    assert "Closed to new pods: s1 is cordoned." in told.stdout


def test_without_nodes_the_way_to_some_is_told(fleet: Any) -> None:
    told = plan("-f", fleet([b for b in small_fleet() if b["kind"] != "Node"]), "--offline")

    assert told.exit_code == 1
    assert "There are no nodes" in told.stdout
    assert "--nodes TIER=COUNTxGPUS" in told.stdout


def test_explain_shows_the_memory_and_every_tier(fleet: Any) -> None:
    told = plan("-f", fleet(small_fleet()), "--offline", "--explain", "sorter")

    assert "ai/sorter" in told.stdout
    assert "WEIGHTS" in told.stdout
    assert "4.0 GiB" in told.stdout
    assert "fits at 3.00 USD per replica-hour, small costs 0.40" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "there is nothing to plan"),
        (["-f", "/nonexistent.yaml"], "-f /nonexistent.yaml: there is no such file"),
        (["-f", FLEETS / "laptop", "--what-if", "prise laptop=1"], "did you mean price?"),
        (["-f", FLEETS / "laptop", "--what-if", "remove node lap"], "did you mean laptop?"),
        (["-f", FLEETS / "laptop", "--nodes", "rtx-4090"], "is not TIER=COUNTxGPUS"),
        (["-f", FLEETS / "laptop", "--nodes", "rtx-409=1x1"], "did you mean rtx-4090?"),
        (["-f", FLEETS / "laptop", "--nodes", "a30=1x1"], "no list price is known"),
        (["-f", FLEETS / "laptop", "--explain", "codr"], "did you mean coder?"),
        (["-f", FLEETS / "laptop", "--model-root", "models"], "is not PATH=DIR"),
        (["-f", FLEETS / "mixed/nodes.yaml"], "there is no Specialist to plan"),
    ],
)
def test_a_mistake_exits_with_2(arguments: list[object], told: str) -> None:
    refused = plan(*arguments, "--offline")

    assert refused.exit_code == 2, refused.output
    assert told in refused.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: ]", "line 1, column 7"),
        ("just words", "is no Kubernetes object"),
        ("{apiVersion: v1, kind: Node, metadata: {}}", "a Node has no metadata.name"),
        (
            "{apiVersion: tierwise.dev/v1, kind: GPUTier, metadata: {name: t}}",
            "write tierwise.dev/v1alpha1",
        ),
    ],
)
def test_a_broken_document_is_told_with_its_file(fleet: Any, text: str, told: str) -> None:
    path = fleet(small_fleet())
    (path.parent / "broken.yaml").write_text(text)
    refused = plan("-f", path.parent, "--offline")

    assert refused.exit_code == 2
    assert "broken.yaml" in refused.stderr
    assert told in refused.stderr


@pytest.mark.parametrize("name", ["laptop", "mixed", "h100"])
def test_the_example_fleets_have_a_place_for_everyone(name: str) -> None:
    found = as_json("-f", FLEETS / name)

    assert found["unplaced"] == []
    assert found["problems"] == []
    for row in found["tiers"]:
        assert row["used"] + row["free"] == row["gpus"]


def test_the_mixed_fleet_has_two_hundred_gpus_in_five_tiers() -> None:
    tiers = as_json("-f", FLEETS / "mixed")["tiers"]
    assert (len(tiers), sum(row["gpus"] for row in tiers)) == (5, 200)


def test_the_same_input_prints_the_same_page() -> None:
    one, other = (plan("-f", FLEETS / "mixed", "--offline").stdout for _ in range(2))
    assert one == other
    assert max(map(len, one.splitlines())) <= 100


def test_the_order_of_documents_does_not_matter(fleet: Any) -> None:
    bodies = small_fleet()
    turned = list(reversed(copy.deepcopy(bodies)))
    assert places(as_json("-f", fleet(bodies))) == places(as_json("-f", fleet(turned, "b.yaml")))
