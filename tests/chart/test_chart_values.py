"""Bad values are refused with words that help; every value is documented once."""

import json
import re
from typing import Any

import pytest
import yaml
from helmchart import CHART, refusal, rendered

import chart_docs

BAD_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "a typing error": ({"router": {"replica": 2}}, "additional properties 'replica' not allowed"),
    "an unknown pull policy": (
        {"operator": {"image": {"pullPolicy": "always"}}},
        "value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    "a relative model root": ({"operator": {"modelRoots": ["models"]}}, "/operator/modelRoots/0"),
    "the whole disk as model root": ({"operator": {"modelRoots": ["/"]}}, "/operator/modelRoots/0"),
    "memory with a unit Kubernetes does not know": (
        {"router": {"resources": {"limits": {"memory": "2GB"}}}},
        "/router/resources/limits/memory",
    ),
    "replicas as text": ({"router": {"replicas": "two"}}, "got string, want integer"),
    "fewer than no replicas": ({"router": {"replicas": -1}}, "minimum: got -1, want 0"),
    "a namespace that cannot be": ({"router": {"namespace": "My_Team"}}, "/router/namespace"),
    "a tag inside the repository": (
        {"router": {"image": {"repository": "example.com/router:1"}}},
        "/router/image/repository",
    ),
    "a pod killed before it has drained": (
        {"router": {"drainSeconds": 700}},
        "Set it to at least 715",
    ),
    "a node port on a cluster IP": (
        {"router": {"service": {"nodePort": 30080}}},
        "Set router.service.type to NodePort or LoadBalancer",
    ),
    "a disruption budget that blocks every drain": (
        {"router": {"podDisruptionBudget": {"minAvailable": 2}}},
        "Set minAvailable to at most 1",
    ),
}


@pytest.mark.apiserver
@pytest.mark.parametrize("case", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_is_refused_by_name(case: tuple[dict[str, Any], str]) -> None:
    values, told = case

    assert told in refusal(values)


@pytest.mark.apiserver
def test_a_parent_chart_may_pass_its_globals() -> None:
    assert rendered({"global": {"imageRegistry": "example.com"}})


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    open_ended = {"global", "affinity"}
    loose = [
        path
        for path, schema in objects_of(json.loads((CHART / "values.schema.json").read_text()))
        if "additionalProperties" not in schema and path.rsplit(".", 1)[-1] not in open_ended
    ]

    assert loose == []


def test_a_values_comment_in_the_file_is_its_description_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    comments = comments_of((CHART / "values.yaml").read_text())

    for path, description in chart_docs.leaves(schema):
        if path != "global":
            assert comments[path] == description, path


def test_the_defaults_and_the_schema_name_the_same_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    for path, _ in chart_docs.leaves(schema):
        if path != "global":
            assert chart_docs.default_of(values, path)
    assert set(schema["properties"]) - {"global"} == set(values)


def test_the_readmes_table_of_values_is_up_to_date() -> None:
    readme = (CHART / "README.md").read_text()

    assert chart_docs.with_table(readme) == readme, "Fix: python hack/chart_docs.py"


def objects_of(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema of an object that users write, by path."""
    found = [(path, schema)] if schema.get("type") == "object" and "items" not in schema else []
    for name, child in schema.get("properties", {}).items():
        found += objects_of(child, f"{path}.{name}")
    return found


def comments_of(text: str) -> dict[str, str]:
    """The comment above each value of a values.yaml, by path."""
    found: dict[str, str] = {}
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        key = re.match(r"( *)([A-Za-z]+):", line)
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("# "))
        elif key:
            path = [*path[: len(key[1]) // 2], key[2]]
            found[".".join(path)] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found
