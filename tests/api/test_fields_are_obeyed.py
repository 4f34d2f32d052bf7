"""A field that nothing reads is a promise that nobody keeps."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from tierwise_api import FieldProfile, GPUTier, Rollout, RouterPolicy, Specialist, Tenant
from tierwise_api.base import Resource
from tierwise_api.fieldprofile import FieldProfileSpec
from tierwise_api.gputier import GPUTierSpec

ROOT = Path(__file__).parents[2]
KINDS = (FieldProfile, GPUTier, Rollout, RouterPolicy, Specialist, Tenant)
# Noted for what is to come: their descriptions say that nothing obeys them yet.
NOTED = {"riskTier", "interconnectGBs"}
# A pod's tolerations are handed on as they are written.
HANDED_ON = {"tolerationSeconds"}
# As an attribute it has the model's name, in a mapping the wire's.
READ = re.compile(r"(\.\w+)\b|[\"'](\w+)[\"']")


@pytest.fixture(scope="module")
def read() -> set[str]:
    """Every name that is read of something, or looked up in a mapping, in what we ship."""
    sources = [path for part in ("operator", "router") for path in (ROOT / part).rglob("*.py")]
    found = (READ.findall(path.read_text(encoding="utf-8")) for path in sources)
    return {name for names in found for pair in names for name in pair if name}


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def fields_of(model: type[BaseModel], path: str) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        here = f"{path}.{field.alias or name}"
        yield here, name, field.alias or name
        for inner in models_in(field.annotation):
            yield from fields_of(inner, here)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_spec_is_read_by_somebody(kind: type[Resource], read: set[str]) -> None:
    fields = fields_of(kind.model_fields["spec"].annotation, f"{kind.__name__}.spec")
    unread = {
        path
        for path, name, alias in fields
        if not {f".{name}", alias} & read and alias not in HANDED_ON | NOTED
    }
    assert unread == set()


def test_what_is_only_noted_says_so() -> None:
    fields = (*FieldProfileSpec.model_fields.values(), *GPUTierSpec.model_fields.values())
    told = {field.alias: field.description or "" for field in fields if field.alias in NOTED}
    assert told.keys() == NOTED
    assert all("It is noted" in text and text.endswith("yet.") for text in told.values())
