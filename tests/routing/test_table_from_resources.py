"""GPUTiers and Specialists become a route table; what is broken is named and left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.errors import UnreadableRoutesError
from tierwise_core.route_table import Endpoint, Price, Route, RouteTable
from tierwise_router.documents import read_documents
from tierwise_router.models import list_models, one_model
from tierwise_router.problem import Problem
from tierwise_router.resources import Parsed, read_resources
from tierwise_router.table import build_table

API = "tierwise.dev/v1alpha1"


def a_tier(name: str = "rtx-4090", **spec: Any) -> dict[str, Any]:
    given = {"gpu": {"product": "NVIDIA-L4"}, "price": {"perGPUHour": 0.40}, "confidenceFloor": 0.8}
    return {
        "apiVersion": API,
        "kind": "GPUTier",
        "metadata": {"name": name},
        "spec": {**given, **spec},
    }


def a_specialist(name: str = "sorter", *, gpus: int = 1, **spec: Any) -> dict[str, Any]:
    given = {"field": "sorting", "model": {"source": "file:///models/sorter"}}
    return {
        "apiVersion": API,
        "kind": "Specialist",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {**given, **spec},
        "status": {
            "placement": {"tier": "rtx-4090", "gpusPerReplica": gpus},
            "endpoints": [{"url": "http://10.1.2.3:8000/", "pod": "p-1", "revision": "5d8f"}],
        },
    }


def a_provider(name: str = "gpt", **external: Any) -> dict[str, Any]:
    given = {"baseURL": "https://api.example.com/v1/", "model": "gpt-x"}
    resource = a_specialist(name)
    resource["spec"] = {"field": "general", "external": {**given, **external}}
    del resource["status"]
    return resource


def built(*objects: Any) -> RouteTable:
    table, problems = build_table(objects)
    assert problems == ()
    return table


def problems_of(*objects: Any) -> list[str]:
    return [str(problem) for problem in build_table(objects)[1]]


def the_route(*objects: Any) -> Route:
    (route,) = built(*objects).routes.values()
    return route


def test_a_placed_specialist_becomes_a_route_with_its_ready_pods() -> None:
    route = the_route(a_tier(), a_specialist())

    assert route.key == "demo/sorter"
    assert route.endpoints == (Endpoint("http://10.1.2.3:8000", "5d8f", "p-1"),)
    assert (route.tier, route.upstream_model, route.external) == ("rtx-4090", "sorter", False)


def spanning(*shares: tuple[str, int, int]) -> dict[str, Any]:
    """A Specialist on several tiers: each with its replicas and the GPUs of one."""
    item = a_specialist(field="general")
    item["status"]["placement"]["tiers"] = [
        {
            "tier": tier,
            "replicas": replicas,
            "gpusPerReplica": gpus,
            "tensorParallel": gpus,
            "usdPerHour": 1,
        }
        for tier, replicas, gpus in shares
    ]
    item["status"]["endpoints"][0]["tier"] = shares[-1][0]
    return item


def test_on_several_tiers_a_replica_costs_what_they_cost_on_average() -> None:
    big = a_tier("h100", price={"perGPUHour": 3.0})
    route = the_route(a_tier(), big, spanning(("rtx-4090", 3, 2), ("h100", 1, 1)))
    assert route.price.usd_per_replica_hour == pytest.approx((3 * 2 * 0.4 + 3.0) / 4)
    assert route.endpoints[0].tier == "h100"


def test_on_several_tiers_the_strictest_floor_counts() -> None:
    big = a_tier("h100", confidenceFloor=0.55)
    route = the_route(
        a_tier(confidenceFloor=0.8), big, spanning(("h100", 3, 1), ("rtx-4090", 1, 1))
    )
    assert route.confidence_floor == 0.8


def test_a_specialist_asleep_is_priced_by_its_place() -> None:
    route = the_route(a_tier(), spanning(("rtx-4090", 0, 2)))
    assert route.price == Price(usd_per_replica_hour=0.80)


def test_a_replica_costs_what_its_gpus_cost() -> None:
    assert the_route(a_tier(), a_specialist(gpus=2)).price == Price(usd_per_replica_hour=0.80)


def test_a_specialist_without_ready_pods_is_known_and_not_ready() -> None:
    pending = a_specialist()
    del pending["status"]

    route = the_route(pending)

    assert (route.ready, route.tier) == (False, "")


def test_a_provider_is_ready_at_its_own_address_and_priced_by_the_token() -> None:
    price = {"inputPerMillionTokens": 2.5, "outputPerMillionTokens": 10}

    route = the_route(a_provider(price=price, secretRef={"name": "openai", "key": "api-key"}))

    assert route.endpoints == (Endpoint("https://api.example.com/v1"),)
    assert route.upstream_model == "gpt-x"
    assert route.secret == ("openai", "api-key")
    assert route.price == Price(0.0, 2.5e-6, 1e-5, cached_input_usd_per_token=2.5e-6)


def test_cached_input_may_have_a_price_of_its_own() -> None:
    price = {
        "inputPerMillionTokens": 2.5,
        "outputPerMillionTokens": 10,
        "cachedInputPerMillionTokens": 1.25,
    }

    assert the_route(a_provider(price=price)).price.cached_input_usd_per_token == 1.25e-6


@pytest.mark.parametrize(
    ("specialist", "tier_floor", "floor"),
    [
        pytest.param(a_specialist(), 0.80, 0.85, id="a new specialist starts conservatively"),
        pytest.param(a_specialist(), 0.90, 0.90, id="a stricter tier counts"),
        pytest.param(a_specialist(routing={"confidenceFloor": 0.6}), 0.80, 0.6, id="its own wins"),
        pytest.param(a_specialist(routing={"confidenceFloor": 0}), 0.80, 0.0, id="zero is a floor"),
        pytest.param(a_specialist(field="general"), 0.55, 0.55, id="a generalist has its tier's"),
        pytest.param(a_specialist(field="general"), None, 0.80, id="a tier without a floor"),
        pytest.param(a_provider(), 0.80, 0.55, id="a provider's generalist is a frontier"),
    ],
)
def test_the_floor_is_decided_once(
    specialist: dict[str, Any], tier_floor: float | None, floor: float
) -> None:
    assert the_route(a_tier(confidenceFloor=tier_floor), specialist).confidence_floor == floor


def test_names_in_the_graph_are_of_the_same_namespace() -> None:
    table = built(
        a_tier(),
        a_specialist("boss", field="general"),
        a_specialist("peer", field="general"),
        a_specialist(parent="boss", routing={"escalateTo": ["peer"]}),
    )

    route = table.resolve("sorter")

    assert (route.parent, route.escalate_to) == ("demo/boss", ("demo/peer",))


def test_a_list_as_kubectl_prints_it_is_unfolded() -> None:
    printed = {"apiVersion": "v1", "kind": "List", "items": [a_tier(), a_specialist()]}

    assert list(built(printed).routes) == ["demo/sorter"]


def test_a_namespace_is_default_when_a_file_names_none() -> None:
    specialist = a_specialist()
    del specialist["metadata"]["namespace"]

    assert list(built(a_tier(), specialist).routes) == ["default/sorter"]


def test_other_kinds_in_the_file_are_passed_over() -> None:
    table = built({"apiVersion": "v1", "kind": "Namespace"}, a_tier(), a_specialist())

    assert list(table.routes) == ["demo/sorter"]


def test_a_broken_specialist_never_takes_the_others_down() -> None:
    table, problems = build_table([a_tier(), a_specialist(feild="x"), a_specialist("healthy")])

    assert list(table.routes) == ["demo/healthy"]
    assert [problem.field for problem in problems] == ["spec.feild"]
    assert problems[0].object_name == "Specialist demo/sorter"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        (
            {"apiVersion": "tierwise.dev/v1", "kind": "Specialist", "metadata": {"name": "s"}},
            f"Specialist default/s: apiVersion is 'tierwise.dev/v1'; write {API}",
        ),
        ({"apiVersion": API}, "object without a name: kind is missing; write apiVersion: " + API),
        ("just text", "object 'just text': kind is missing; write apiVersion: " + API),
        (
            a_tier(price={"perGPUHour": -1}),
            "GPUTier rtx-4090: spec.price.perGPUHour is -1; perGPUHour must be above 0",
        ),
        (
            a_tier(price=None),
            "GPUTier rtx-4090: spec.price is None; Input should be",
        ),
    ],
)
def test_a_problem_names_the_field_the_value_and_the_remedy(item: Any, told: str) -> None:
    (problem,) = problems_of(item)

    assert problem.startswith(told)


def test_names_that_lead_nowhere_are_told_and_do_no_harm() -> None:
    lost = a_specialist(parent="boss", routing={"escalateTo": ["ghost"]})
    table, problems = build_table([a_tier(escalateTo="h100"), lost])

    assert list(table.routes) == ["demo/sorter"]
    assert [(problem.field, problem.value) for problem in problems] == [
        ("spec.escalateTo", "'h100'"),
        ("spec.parent", "'boss'"),
        ("spec.routing.escalateTo[0]", "'ghost'"),
    ]


def test_a_tier_nobody_knows_makes_calls_free_and_says_so() -> None:
    table, problems = build_table([a_specialist()])

    assert table.resolve("sorter").price == Price()
    assert "no GPUTier of that name is known" in str(problems[0])


def test_of_two_objects_with_one_name_the_last_one_counts() -> None:
    table, problems = build_table([a_tier(), a_specialist(), a_specialist(field="letters")])

    assert table.resolve("sorter").field == "letters"
    assert str(problems[0]).endswith("metadata.name is 'sorter' twice; the last one counts; "
                                     "remove one")  # fmt: skip


def test_what_is_being_deleted_gets_no_more_requests() -> None:
    leaving = a_specialist()
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert built(a_tier(), leaving).routes == {}


def test_a_stored_object_may_have_fields_of_a_newer_version() -> None:
    stored = a_specialist(fieldOfTomorrow=1)
    stored["metadata"]["uid"] = "6f1c"

    assert list(built(a_tier(), stored).routes) == ["demo/sorter"]


def test_a_file_is_read_as_kubernetes_reads_it() -> None:
    text = "kind: A\nday: 2026-01-31\nlist: &l [1]\nagain: *l\n---\n# nothing\n---\n{kind: B}\n"

    assert read_documents(text, "routes.yaml") == [
        {"kind": "A", "day": "2026-01-31", "list": [1], "again": [1]},
        {"kind": "B"},
    ]


@pytest.mark.parametrize("text", ["kind: [", "a: b: c", "!!python/object:os.system {}", "\x00"])
def test_a_file_that_is_no_yaml_is_refused_by_name(text: str) -> None:
    with pytest.raises(UnreadableRoutesError, match=r"^routes\.yaml.*write one YAML document"):
        read_documents(text, "routes.yaml")


def test_a_problem_reads_as_a_sentence() -> None:
    problem = Problem("GPUTier a", "spec.price", "missing", "write price: {perGPUHour: 0.40}")

    assert str(problem) == "GPUTier a: spec.price is missing; write price: {perGPUHour: 0.40}"


def a_policy(**sections: Any) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "RouterPolicy",
        "metadata": {"name": "default"},
        "spec": sections,
    }


def test_a_pattern_that_names_nobody_is_told_and_harms_nobody() -> None:
    named = [
        {"name": "both", "dualRun": {"primary": "sorter", "candidate": "sorter-v2"}},
        {"name": "again", "orchestratorWorkers": {"workers": "both"}},
    ]
    shadows = [{"name": "try", "of": "auto", "candidate": "demo/nobody"}]

    table, problems = build_table(
        [a_specialist(), a_policy(patterns={"named": named, "shadows": shadows})]
    )

    assert [(one.field, one.value) for one in problems if "patterns" in one.field] == [
        ("spec.patterns.named[both].dualRun.candidate", "'sorter-v2'"),
        ("spec.patterns.named[again].orchestratorWorkers.workers", "'both'"),
        ("spec.patterns.shadows[try].candidate", "'demo/nobody'"),
    ]
    assert "patterns do not nest" in problems[-2].remedy
    assert len(table.routes) == 1


def test_a_pattern_with_a_specialists_name_is_told() -> None:
    named = [{"name": "sorter", "orchestratorWorkers": {}}]

    _, problems = build_table([a_specialist(), a_policy(patterns={"named": named})])

    assert "a Specialist has that name" in problems[-1].remedy


def test_models_list_patterns() -> None:
    named = [{"name": "both", "orchestratorWorkers": {}}]
    table, _ = build_table([a_specialist(), a_policy(patterns={"named": named})])

    assert [model["id"] for model in list_models(table)["data"]] == ["auto", "both", "sorter"]
    assert one_model(table, "both")["tierwise"] == {"pattern": "OrchestratorWorkers"}


def test_names_of_the_policy_s_decisions_that_lead_nowhere_are_told() -> None:
    policy = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "RouterPolicy",
        "metadata": {"name": "default"},
        "spec": {
            "decision": {
                "scorers": [{"name": "cost", "weight": 1}, {"name": "astrology", "weight": 1}],
                "verifiers": [
                    {"name": "short", "length": {"maxCharacters": 9}},
                    {"name": "judge", "llmJudge": {"specialist": "demo/ghost"}},
                ],
            }
        },
    }
    sorter = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": "sorter", "namespace": "demo"},
        "spec": {
            "field": "sorting",
            "external": {"baseURL": "http://127.0.0.1:8000", "model": "sorter"},
            "routing": {"verifiers": ["short", "json", "magic"]},
        },
    }

    table, problems = build_table([policy, sorter])

    assert [spec.kind for spec in table.resolve("sorter").verifiers] == ["length", "json"]
    assert [(one.object_name, one.field) for one in problems] == [
        ("Specialist demo/sorter", "spec.routing.verifiers[2]"),
        ("RouterPolicy default", "spec.decision.scorers[1].name"),
        ("RouterPolicy default", "spec.decision.verifiers[1].llmJudge.specialist"),
    ]


def a_profile(field: str, *verifiers: str) -> dict[str, Any]:
    weights = {"efficacy": 0.6, "confidence": 0.35, "curiosity": 0.05}
    return {
        "apiVersion": API,
        "kind": "FieldProfile",
        "metadata": {"name": field},
        "spec": {"weights": weights, "verifiers": list(verifiers)},
    }


def verifiers_of(table: RouteTable, name: str) -> list[str]:
    return [spec.name for spec in table.resolve(name).verifiers]


def test_a_specialist_that_names_no_verifiers_uses_those_of_its_field() -> None:
    own = a_specialist("own", routing={"verifiers": ["non-empty"]})
    table = built(
        a_tier(),
        a_profile("sorting", "json", "finished"),
        a_specialist("without"),
        own,
        a_specialist("elsewhere", field="adding"),
    )

    assert verifiers_of(table, "without") == ["json", "finished"]
    assert verifiers_of(table, "own") == ["non-empty"]
    assert verifiers_of(table, "elsewhere") == []


def test_a_change_of_the_profile_is_a_change_of_the_table() -> None:
    before = built(a_tier(), a_profile("sorting", "json"), a_specialist())
    after = built(a_tier(), a_profile("sorting", "numeric"), a_specialist())

    assert before.version != after.version


def test_a_verifier_of_a_profile_that_nobody_described_is_named_there_once() -> None:
    (problem,) = problems_of(
        a_tier(), a_profile("sorting", "json", "magic"), a_specialist(), a_specialist("other")
    )

    assert problem.startswith("FieldProfile sorting: spec.verifiers[1] is 'magic'; no verifier")


def test_what_has_not_changed_is_not_read_again() -> None:
    """A table for each change of one of thousands would else be too late for a rollback."""
    parsed, same, old = Parsed(), a_specialist("sorter"), a_specialist("adder")
    first = read_resources([same, old], parsed)

    changed = a_specialist("adder", field="arithmetic")
    second = read_resources([same, changed, {"kind": "Specialist"}], parsed)

    assert second.specialists["demo/sorter"] is first.specialists["demo/sorter"]
    assert second.specialists["demo/adder"].spec.field == "arithmetic"
    assert len(second.problems) == 1


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), max_size=6))
def test_a_table_from_memory_is_the_one_from_the_objects(rounds: list[list[int]]) -> None:
    known = [a_specialist(f"s-{number}", field=f"f-{number}") for number in range(5)]
    objects = [*known, a_specialist("broken", feild="x")]
    parsed = Parsed()

    for chosen in rounds:
        objects[0] = a_specialist("s-0", field=f"f-{len(chosen)}")
        told = [objects[number] for number in chosen]
        assert build_table(told, parsed=parsed) == build_table(told)
