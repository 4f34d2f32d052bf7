"""What people and programs see of our kinds on a real API server."""

import inspect
import json
import textwrap
from typing import Any

import pytest
import yaml
from apiserver import CRDS, ApiServer
from manifests import EXTERNAL, GONE, MODELS, manifest

from tierwise_api import KINDS, Resource, Specialist

pytestmark = pytest.mark.apiserver


def test_the_crds_are_established_with_all_names(api_server: ApiServer) -> None:
    listed = json.loads(api_server.kubectl("get", "crd", "-o", "json"))["items"]

    names = {crd["metadata"]["name"]: crd for crd in listed}
    assert sorted(names) == [
        "fieldprofiles.tierwise.dev",
        "gputiers.tierwise.dev",
        "rollouts.tierwise.dev",
        "routerpolicies.tierwise.dev",
        "specialists.tierwise.dev",
        "tenants.tierwise.dev",
    ]
    for crd in listed:
        conditions = {c["type"]: (c["status"], c["reason"]) for c in crd["status"]["conditions"]}
        assert conditions["Established"][0] == "True"
        assert conditions["NamesAccepted"][0] == "True"
        assert "NonStructuralSchema" not in conditions


def test_applying_the_crds_again_changes_nothing(api_server: ApiServer) -> None:
    def versions() -> str:
        return api_server.kubectl("get", "crd", "-o", "jsonpath={.items[*].metadata.generation}")

    before = versions()
    api_server.kubectl("apply", "--server-side", "-f", str(CRDS))

    assert versions() == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_documented_example_is_accepted(api_server: ApiServer, kind: type[Resource]) -> None:
    doc = inspect.cleandoc(kind.__doc__ or "")
    body = yaml.safe_load(textwrap.dedent(doc.partition("Example::")[2]))

    answer = api_server.create(body, dry_run=True)

    assert answer.accepted, answer.body["message"]


def test_explain_tells_meaning_unit_default_and_example(api_server: ApiServer) -> None:
    told = " ".join(api_server.kubectl("explain", "specialist.spec.placement").split())

    assert (
        "targetConcurrency <integer> Requests that one replica answers at the same time. It sizes "
        "the KV cache. Default: 8. Example: 16" in told
    )
    assert "tensorParallel <integer> Over how many GPUs of one node the model is cut." in told
    assert "tiers <[]string> The GPUTiers it may run on" in told


def test_explain_shows_an_example_of_the_kind(api_server: ApiServer) -> None:
    told = api_server.kubectl("explain", "gt")

    assert "kind: GPUTier" in told
    assert "price: {perGPUHour: 0.40}" in told


def test_the_columns_of_all_kinds(api_server: ApiServer, stored: dict[str, dict[str, Any]]) -> None:
    shown = api_server.kubectl("get", "gt,sp,sro,fp")

    headers = [line.split() for line in shown.splitlines() if line.startswith("NAME")]
    assert headers == [
        ["NAME", "GPU", "MEMORY", "NODES", "GPUS", "FREE", "USD/GPU-H", "READY", "AGE"],
        ["NAME", "FIELD", "TIER", "GPUS", "REPLICAS", "UP", "READY", "REASON", "USD/H", "AGE"],
        ["NAME", "SPECIALIST", "STAGE", "GREEN", "U-BLUE", "U-GREEN", "VERDICT", "READY", "AGE"],
        ["NAME", "EFFICACY", "CONFIDENCE", "CURIOSITY", "PENALTY", "WINDOW", "RISK", "AGE"],
    ]
    assert "NVIDIA-GeForce-RTX-4090" in shown


def test_the_category_lists_every_kind(
    api_server: ApiServer, stored: dict[str, dict[str, Any]]
) -> None:
    shown = api_server.kubectl("get", "tierwise", "-A", "-o", "name").split()

    assert sorted(shown) == [
        "fieldprofile.tierwise.dev/sorting",
        "gputier.tierwise.dev/rtx-4090",
        "rollout.tierwise.dev/sorter-v2",
        "routerpolicy.tierwise.dev/default",
        "specialist.tierwise.dev/sorter",
        "tenant.tierwise.dev/team-a",
    ]


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_server_fills_in_the_defaults_that_python_does(
    api_server: ApiServer, kind: str
) -> None:
    served = api_server.create(manifest(kind), dry_run=True).body["spec"]

    assert served == _without_empty(MODELS[kind].model_validate(manifest(kind)).to_dict()["spec"])


def test_an_unknown_field_is_refused_when_asked_for(api_server: ApiServer) -> None:
    misspelt = manifest("Specialist", {"spec.routing": {"exmaples": ["sort dbca"]}})

    refused = api_server.create(misspelt, dry_run=True)

    assert not refused.accepted
    assert 'unknown field "spec.routing.exmaples"' in refused.body["message"]


def test_an_unknown_field_is_otherwise_pruned_with_a_warning(api_server: ApiServer) -> None:
    misspelt = manifest("Specialist", {"spec.routing": {"exmaples": ["sort dbca"]}})

    warned = api_server.create(misspelt, dry_run=True, validation="Warn")

    assert warned.accepted
    assert "exmaples" not in warned.body["spec"]["routing"]
    (warning,) = warned.warnings
    assert "spec.routing.exmaples" in warning


def test_a_field_that_is_null_is_a_field_left_out(api_server: ApiServer) -> None:
    blank = manifest("Specialist", {"spec.parent": None, "spec.placement": None})

    answer = api_server.create(blank, dry_run=True)

    assert answer.accepted, answer.body["message"]
    assert "parent" not in answer.body["spec"]
    assert answer.body["spec"]["placement"]["targetConcurrency"] == 8


def test_a_pod_template_is_kept_whole(api_server: ApiServer) -> None:
    template = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {
            "volumes": [{"name": "usr", "hostPath": {"path": "/usr"}}],
            "containers": [{"name": "engine", "resources": {"limits": {"memory": "4Gi"}}}],
        },
    }
    body = manifest("Specialist", {"spec.engine": {"podTemplate": template}})

    served = api_server.create(body, dry_run=True)

    assert served.accepted, served.body["message"]
    assert served.body["spec"]["engine"]["podTemplate"] == template
    read = Specialist.from_cluster(served.body).spec.engine
    assert read.pod_template == template


def test_what_the_server_stores_reads_back_as_a_model(api_server: ApiServer) -> None:
    external = EXTERNAL | {
        "secretRef": {"name": "openai", "key": "api-key"},
        "price": {"inputPerMillionTokens": 2.5, "outputPerMillionTokens": 10},
        "limits": {"requestsPerMinute": 500, "maxConcurrency": 32},
        "region": "eu-central-1",
        "compliance": ["SOC2", "HIPAA"],
        "deprecationDate": "2027-01-31",
        "deprecationNoticeDays": 60,
        "alternativeURLs": ["https://eu.example.com/v1"],
    }
    body = manifest("Specialist", {"spec.model": GONE, "spec.external": external})

    read = Specialist.from_cluster(api_server.create(body, dry_run=True).body)

    assert read.to_dict()["spec"]["external"] == external
    assert read.metadata.uid is not None


def _without_empty(value: Any) -> Any:
    """The server stores no empty list; Python has one where nothing was given."""
    if isinstance(value, dict):
        return {key: _without_empty(child) for key, child in value.items() if child != []}
    return value
