"""What every resource shares: the wire's names, its rules, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic import model_validator as pydantic_model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from tierwise_api.rules import VALIDATIONS, Rule

__all__ = [
    "API_VERSION",
    "GROUP",
    "VERSION",
    "Column",
    "Names",
    "ObjectMeta",
    "Resource",
    "Scale",
    "Spec",
    "Status",
    "is_dns_label",
    "problems",
    "wire_name",
]

GROUP = "tierwise.dev"
VERSION = "v1alpha1"
API_VERSION: Final = "tierwise.dev/v1alpha1"
VALUE_SHOWN: Final = 80

_DNS_LABEL = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ACRONYMS = {"urls": "URLs", "gpu": "GPU", "url": "URL", "uid": "UID", "gbs": "GBs", "kwh": "KWh"}


def wire_name(name: str) -> str:
    """The camelCase name of a field, with acronyms as Kubernetes spells them.

    >>> [wire_name(n) for n in ("base_url", "per_gpu_hour", "energy_per_kwh", "gpus_per_replica")]
    ['baseURL', 'perGPUHour', 'energyPerKWh', 'gpusPerReplica']
    """
    head, *tail = name.split("_")
    return head + "".join(_ACRONYMS.get(word, word.capitalize()) for word in tail)


def is_dns_label(name: str) -> bool:
    """Whether a name may be a DNS label: what Services, pods' hosts and label values take.

    >>> is_dns_label("sorter-v2"), is_dns_label("Sorter"), is_dns_label("x" * 64)
    (True, False, False)
    """
    return _DNS_LABEL.fullmatch(name) is not None


class _Wire(BaseModel):
    """A value of the API: snake_case here, camelCase on the wire, never coerced, never mutated."""

    model_config = ConfigDict(
        alias_generator=wire_name,
        validate_by_name=True,
        validate_by_alias=True,
        strict=True,
        frozen=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @pydantic_model_validator(mode="after")
    def _obey_rules(self) -> Self:
        broken = [error for rule in self.rules if (error := rule.violation(self))]
        if broken:
            raise ValidationError.from_exception_data(type(self).__name__, broken)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler(schema)
        if cls.rules:
            target = handler.resolve_ref_schema(written)
            target[VALIDATIONS] = [rule.as_validation() for rule in cls.rules]
        return written


class Spec(_Wire):
    """Something a user writes: an unknown field is a typing error, so it is refused."""

    model_config = ConfigDict(extra="forbid")


class Status(_Wire):
    """Something tierwise writes: a field of a newer version is skipped."""

    model_config = ConfigDict(extra="ignore")


class ObjectMeta(_Wire):
    """The metadata of an object; what is not named here is kept as it came."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(min_length=1, max_length=253)
    namespace: str | None = None
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of ``kubectl get``; priority 1 shows with ``-o wide`` only."""

    name: str
    path: str
    type: Literal["string", "integer", "number", "date", "boolean"] = "string"
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The scale subresource: where replicas are asked for and reported."""

    spec_path: str
    status_path: str
    selector_path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """How people and the API server call a kind."""

    plural: str
    short: str
    namespaced: bool
    columns: tuple[Column, ...]
    scale: Scale | None = None


class Resource(_Wire):
    """A whole object, as it stands in a file or comes from the API server.

    ``model_validate`` is for what a person wrote: an unknown field is an error. ``from_cluster`` is
    for what an API server stored: it has already refused or pruned unknown fields, so one that we
    do not know belongs to a newer version of the resource and is skipped.
    """

    model_config = ConfigDict(extra="forbid")
    names: ClassVar[Names]

    api_version: Literal["tierwise.dev/v1alpha1"] = API_VERSION
    kind: str
    metadata: ObjectMeta

    @classmethod
    def from_cluster(cls, body: Mapping[str, Any]) -> Self:
        """The object an API server returned, fields of newer versions left out."""
        return cls.model_validate(dict(body), extra="ignore")

    def to_dict(self) -> dict[str, Any]:
        """The object as it goes over the wire, without fields that say nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def problems(error: ValidationError) -> tuple[str, ...]:
    """What is wrong with an object, one line each, the field's path first.

    >>> from tierwise_api import GPUTier
    >>> try:
    ...     GPUTier.model_validate({"metadata": {"name": "t"}, "spec": {"gpu": {"product": "L4"}}})
    ... except ValidationError as error:
    ...     problems(error)
    ('spec.price: Field required',)
    >>> try:
    ...     spec = {"gpu": {"product": "L4", "bandwidthGBs": 0}, "price": {"perGPUHour": 1}}
    ...     GPUTier.model_validate({"metadata": {"name": "t"}, "spec": spec})
    ... except ValidationError as error:
    ...     problems(error)
    ('spec.gpu.bandwidthGBs: Input should be greater than 0; got 0',)
    """
    return tuple(f"{_path(item['loc'])}: {_reason(item)}" for item in error.errors())


def _reason(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field: remove it or check its spelling"
    said, value = item["msg"], item["input"]
    if isinstance(value, str | int | float) and "; got " not in said:
        return f"{said}; got {json.dumps(value)[:VALUE_SHOWN]}"
    return said


def _path(location: tuple[int | str, ...]) -> str:
    joined = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)
    return joined.lstrip(".") or "object"
