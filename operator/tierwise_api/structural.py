"""From pydantic's JSON schema to the structural OpenAPI schema a Kubernetes API server accepts.

A structural schema names a type everywhere, refers to nothing, is not recursive and says
everything once. So references are inlined, ``X or null`` becomes X (the server drops a null before
it validates), pydantic's titles go, and the words of JSON schema 2020 become those of OpenAPI 3.0.
The example joins the description, which is what ``kubectl explain`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from tierwise_api.rules import VALIDATIONS

__all__ = ["INT_OR_STRING", "Schema", "flow", "reflow", "structural_schema"]

Schema = dict[str, Any]

INT_OR_STRING = "x-kubernetes-int-or-string"
_LEFT_OUT = frozenset(
    {
        "$defs",
        "additionalProperties",
        "default",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "properties",
        "title",
    }
)
_NULL = {"type": "null"}


def structural_schema(model: type[BaseModel], *, defaults: bool) -> Schema:
    """The structural schema of a model, docstring and field descriptions included.

    Args:
        model: a spec or a status.
        defaults: whether the API server fills in defaults: it does in a spec, which a user reads
            back, and must not in a status, which would then tell what nobody observed.

    >>> from tierwise_api.corev1 import SecretKeyRef
    >>> structural_schema(SecretKeyRef, defaults=True)["properties"]["key"]
    {'description': "The key in the Secret's data. Example: api-key", 'maxLength': 253, \
'minLength': 1, 'type': 'string'}
    """
    written = model.model_json_schema(schema_generator=_InOrder)
    return _Converter(written.get("$defs", {}), defaults=defaults).convert(written)


class _InOrder(GenerateJsonSchema):
    """Fields, and those of an example, in the order they are declared in."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's interface
        return value


@dataclass(frozen=True, slots=True)
class _Converter:
    """One conversion: the definitions to inline, and whether defaults are kept."""

    definitions: Mapping[str, Any]
    defaults: bool

    def convert(self, schema: Mapping[str, Any], *, required: bool = True) -> Schema:
        whole = self._flat(schema)
        found = {key: value for key, value in whole.items() if key not in _LEFT_OUT}
        children = self._children(whole)
        found |= _bounds(whole) | children | self._described(whole)
        if self.defaults and not required:
            found |= _default(whole, children)
        if found.get("type") == "integer":
            found["format"] = "int64"
        return dict(sorted(found.items()))

    def _flat(self, schema: Mapping[str, Any]) -> Schema:
        """The schema with its reference and its ``or null`` replaced by what they stand for."""
        if "$ref" in schema:
            target = self.definitions[schema["$ref"].rsplit("/", 1)[1]]
            return self._flat(_merged(target, _without(schema, "$ref")))
        options = schema.get("anyOf", ())
        if not options or INT_OR_STRING in schema:
            return dict(schema)
        types = [option for option in options if option != _NULL]
        if len(types) != 1:
            raise ValueError(f"{schema.get('title')}: {types}: a structural field has one type")
        beside = _without(schema, "anyOf", "default")
        return self._flat(_merged(types[0], beside) | {"default": schema.get("default")})

    def _children(self, whole: Schema) -> Schema:
        found: Schema = {}
        if "properties" in whole:
            required = whole.get("required", ())
            found["properties"] = {
                name: self.convert(child, required=name in required)
                for name, child in whole["properties"].items()
            }
        if "items" in whole:
            found["items"] = self.convert(whole["items"])
        if isinstance(values := whole.get("additionalProperties"), dict):
            found["additionalProperties"] = self.convert(values)
        return found

    def _described(self, whole: Schema) -> Schema:
        text = reflow(whole.get("description", ""))
        # kubectl explain shows neither default nor example by itself.
        if self.defaults and whole.get("default") not in (None, "", [], {}):
            text += f" Default: {flow(whole['default'])}."
        if examples := whole.get("examples"):
            text += f" Example: {' or '.join(flow(example) for example in examples)}"
        return {"description": text} if text else {}


def _merged(base: Mapping[str, Any], beside: Mapping[str, Any]) -> Schema:
    """What stands beside a reference wins over its target; rules of both hold."""
    rules = [*base.get(VALIDATIONS, ()), *beside.get(VALIDATIONS, ())]
    return {**base, **beside} | ({VALIDATIONS: rules} if rules else {})


def _without(schema: Mapping[str, Any], *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _bounds(whole: Schema) -> Schema:
    """OpenAPI 3.0 has exclusive bounds as flags beside the bound."""
    found: Schema = {}
    for edge in ("minimum", "maximum"):
        exclusive = f"exclusive{edge.capitalize()}"
        if exclusive in whole:
            found |= {edge: whole[exclusive], exclusive: True}
    return found


def _default(whole: Schema, children: Schema) -> Schema:
    """The default of an optional field; of an object, those of its fields.

    Written out and not ``{}``: the server runs an object's rules on the default as it stands.
    Empty lists and maps are left out: absent and empty say the same, and less is stored.
    """
    if "default" in whole:
        return {} if whole["default"] in (None, [], {}) else {"default": whole["default"]}
    fields = children.get("properties")
    if fields is None:
        return {}
    return {"default": {name: f["default"] for name, f in fields.items() if "default" in f}}


def flow(value: Any) -> str:
    """A value as one line of YAML, as a person would write it.

    >>> flow({"min": 1, "max": 3}), flow("24Gi"), flow(["a b", True])
    ('{min: 1, max: 3}', '24Gi', '[a b, true]')
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def reflow(text: str) -> str:
    r"""Paragraphs on one line each; an indented block, which is an example, as it stands.

    >>> reflow("One\ntwo.\n\nExample::\n\n    kind: X\n    spec: {}")
    'One two.\n\nExample:\n\n    kind: X\n    spec: {}'
    """
    paragraphs = cleandoc(text).split("\n\n")
    joined = [part if part[:1] == " " else " ".join(part.split()) for part in paragraphs]
    return "\n\n".join(joined).replace("::\n", ":\n")
