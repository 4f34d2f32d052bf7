"""The schemas obey the rules of structural schemas, whatever the models become."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import Field

from tierwise_api import KINDS, Resource
from tierwise_api.base import Spec
from tierwise_api.crd import custom_resource_definition
from tierwise_api.structural import structural_schema

Schema = dict[str, Any]


def root(kind: type[Resource]) -> Schema:
    schema: Schema = custom_resource_definition(kind)["spec"]["versions"][0]["schema"][
        "openAPIV3Schema"
    ]
    return schema


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from nodes(schema[key], f"{path}[]")


ALL = [
    pytest.param(schema, id=f"{kind.__name__}{path}")
    for kind in KINDS
    for path, schema in nodes(root(kind))
]


@pytest.mark.parametrize("schema", ALL)
def test_every_node_has_one_type_and_no_word_of_another_dialect(schema: Schema) -> None:
    assert ("type" in schema) != ("x-kubernetes-int-or-string" in schema)
    assert not {"$ref", "$defs", "title", "const", "oneOf", "allOf", "not"} & set(schema)
    assert schema.get("exclusiveMinimum", True) is True
    assert schema.get("additionalProperties") is not False


@pytest.mark.parametrize("schema", ALL)
def test_lists_and_texts_of_rules_are_bounded(schema: Schema) -> None:
    if schema.get("type") == "array":
        assert "maxItems" in schema
    if "x-kubernetes-validations" in schema and schema.get("type") == "string":
        assert "maxLength" in schema


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: type[Resource]) -> None:
    bare = [
        path
        for path, schema in nodes(root(kind))
        if not schema.get("description")
        and not path.endswith("[]")
        and not path.startswith(".metadata")
    ]

    assert bare == []


WITH_STATUS = [kind for kind in KINDS if "status" in kind.model_fields]


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_a_status_has_no_defaults(kind: type[Resource]) -> None:
    status = root(kind)["properties"]["status"]

    assert [path for path, schema in nodes(status) if "default" in schema] == []


@pytest.mark.parametrize("kind", WITH_STATUS)
def test_conditions_are_a_map_by_type(kind: type[Resource]) -> None:
    conditions = root(kind)["properties"]["status"]["properties"]["conditions"]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_the_default_of_an_object_is_that_of_its_fields() -> None:
    placement = root(KINDS[1])["properties"]["spec"]["properties"]["placement"]

    wanted = {"replicas": {"min": 1}, "targetConcurrency": 8}
    assert wanted.items() <= placement["default"].items()


def test_a_field_of_several_types_is_not_structural() -> None:
    class Loose(Spec):
        """Something."""

        value: str | float = Field(description="Anything.")

    with pytest.raises(ValueError, match=r"Value: .* a structural field has one type"):
        structural_schema(Loose, defaults=True)
