"""Reading and writing objects: defaults, names of the wire, versions that differ."""

import inspect
import textwrap
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from manifests import EXTERNAL, GONE, manifest
from pydantic import TypeAdapter, ValidationError

from tierwise_api import KINDS, Condition, GPUTier, Resource, Rollout, Specialist, problems
from tierwise_api.base import Spec
from tierwise_api.common import Timestamp


def _documented(kind: type[Resource]) -> dict[str, Any]:
    doc = inspect.cleandoc(kind.__doc__ or "")
    body: dict[str, Any] = yaml.safe_load(textwrap.dedent(doc.partition("Example::")[2]))
    return body


def _models(model: type[Spec]) -> set[type[Spec]]:
    below = model.__subclasses__()
    return {model, *(found for child in below for found in _models(child))}


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_is_valid(kind: type[Resource]) -> None:
    body = _documented(kind)

    assert kind.model_validate(body).metadata.name == body["metadata"]["name"]


@pytest.mark.parametrize(
    ("model", "name", "example"),
    [
        (model, name, example)
        for model in sorted(_models(Spec), key=lambda m: m.__name__)
        for name, field in model.model_fields.items()
        for example in field.examples or ()
    ],
)
def test_the_example_of_a_field_is_valid(model: type[Spec], name: str, example: Any) -> None:
    field = model.model_fields[name]
    annotated = field.rebuild_annotation()

    assert TypeAdapter(annotated).validate_python(example) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_survives_the_round_trip(kind: type[Resource]) -> None:
    first = kind.model_validate(_documented(kind))

    assert kind.model_validate(first.to_dict()) == first
    assert kind.model_validate(first.model_dump(by_alias=True, exclude_none=True)) == first


def test_what_the_user_left_out_has_its_default() -> None:
    spec = Specialist.model_validate(manifest("Specialist")).spec

    assert (spec.placement.replicas.min, spec.placement.replicas.effective_max) == (1, 1)
    assert spec.placement.target_concurrency == 8
    assert spec.routing.on_uncertain == "Abstain"
    assert spec.routing.confidence_floor is None
    assert spec.engine.image == "vllm/vllm-openai:v0.33.0"


def test_max_replicas_follow_min() -> None:
    spec = Specialist.model_validate(
        manifest("Specialist", {"spec.placement.replicas": {"min": 3}})
    ).spec

    assert spec.placement.replicas.effective_max == 3


def test_a_tier_selects_nodes_by_product_unless_told_otherwise() -> None:
    tier = GPUTier.model_validate(manifest("GPUTier"))
    chosen = GPUTier.model_validate(manifest("GPUTier", {"spec.nodeSelector": {"pool": "a"}}))

    assert tier.spec.effective_node_selector == {
        "nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-4090"
    }
    assert chosen.spec.effective_node_selector == {"pool": "a"}


def test_quantities_are_kept_as_written_and_read_as_bytes() -> None:
    spec = Specialist.model_validate(
        manifest(
            "Specialist",
            {"spec.model.size": {"weights": "40Gi", "parameters": "20G", "activation": 1024}},
        )
    ).spec

    assert spec.model is not None
    assert spec.model.size is not None
    assert spec.model.size.weights == "40Gi"
    assert spec.model.size.weights_bytes == 40 * 2**30
    assert spec.model.size.parameter_count == 20 * 10**9
    assert spec.model.size.activation_bytes == 1024
    assert spec.model.size.overhead_bytes is None


def test_durations_are_kept_as_written_and_read_as_seconds() -> None:
    rollout = Rollout.model_validate(manifest("Rollout", {"spec.strategy": {"cooldown": "1h30m"}}))

    assert rollout.spec.strategy.cooldown == "1h30m"
    assert rollout.spec.strategy.cooldown_seconds == 5400
    assert rollout.spec.strategy.deadline_seconds is None


def test_metadata_we_do_not_know_is_kept() -> None:
    body = manifest("Specialist", {"metadata.managedFields": [{"manager": "kubectl"}]})

    assert Specialist.model_validate(body).to_dict()["metadata"]["managedFields"] == [
        {"manager": "kubectl"}
    ]


def test_a_misspelt_field_of_a_file_is_refused() -> None:
    body = manifest("Specialist", {"spec.routing.exmaples": ["sort dbca"]})

    with pytest.raises(ValidationError) as refused:
        Specialist.model_validate(body)

    assert problems(refused.value) == (
        "spec.routing.exmaples: unknown field: remove it or check its spelling",
    )


def test_a_field_of_a_newer_version_on_the_server_is_skipped() -> None:
    body = manifest(
        "Specialist",
        {"spec.routing.newerField": 1, "spec.newer": {}, "status.newer": 1, "metadata.uid": "u"},
    )

    assert Specialist.from_cluster(body).spec.field == "sorting"


def test_a_status_of_a_newer_version_is_read_even_from_a_file() -> None:
    body = manifest("Specialist", {"status.phase": "Hibernating", "status.newer": [1]})

    assert Specialist.model_validate(body).status.phase == "Hibernating"


def test_the_status_of_the_operator_is_read() -> None:
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "NoTierFits",
        "message": "needs 41.2 GiB",
        "lastTransitionTime": "2026-01-31T12:00:00Z",
        "observedGeneration": 2,
    }
    body = manifest("Specialist", {"status": {"conditions": [condition], "replicas": 0}})

    read = Specialist.model_validate(body)

    assert read.status.conditions[0].reason == "NoTierFits"
    assert read.to_dict()["status"]["conditions"] == [condition]


def test_a_moment_is_written_in_utc_with_whole_seconds() -> None:
    berlin = timezone(timedelta(hours=2))
    written = TypeAdapter(Timestamp).dump_python(
        datetime(2026, 7, 1, 14, 0, 0, 123456, tzinfo=berlin)
    )

    assert written == "2026-07-01T12:00:00Z"
    read = Condition.model_validate(
        {"type": "A", "status": "True", "reason": "B", "lastTransitionTime": written}
    )
    assert read.last_transition_time == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_day_is_read_from_text_and_from_yaml() -> None:
    """YAML turns a bare 2027-01-31 into a date."""
    for day in ("2027-01-31", date(2027, 1, 31)):
        external = EXTERNAL | {"deprecationDate": day}
        body = manifest("Specialist", {"spec.model": GONE, "spec.external": external})
        read = Specialist.model_validate(body)

        assert read.spec.external is not None
        assert read.spec.external.deprecation_date == date(2027, 1, 31)
        assert read.to_dict()["spec"]["external"]["deprecationDate"] == "2027-01-31"


@pytest.mark.parametrize(
    ("field", "value"), [("apiVersion", "tierwise.dev/v1"), ("kind", "Expert")]
)
def test_another_kind_or_version_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValidationError):
        Specialist.model_validate(manifest("Specialist", {field: value}))


def test_text_is_no_number() -> None:
    """The API server coerces nothing, so neither do we."""
    with pytest.raises(ValidationError) as refused:
        Specialist.model_validate(manifest("Specialist", {"spec.priority": "1"}))

    assert problems(refused.value)[0].startswith("spec.priority: ")
