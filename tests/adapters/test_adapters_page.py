"""docs/adapters.md: its manifest is valid, its reasons are real, its links lead somewhere."""

from __future__ import annotations

import re

import yaml
from docblocks import ROOT, blocks

from tierwise_api import Specialist
from tierwise_core import errors

PAGE = "docs/adapters.md"
TEXT = (ROOT / PAGE).read_text()
OWN_REASONS = {"LoadFailed", "Loading", "NoPods"}


def test_the_manifest_is_valid() -> None:
    (block,) = blocks(PAGE, "yaml")
    model = Specialist.model_validate(yaml.safe_load(block)).spec.model
    assert model
    assert model.adapter_limits
    assert [adapter.name for adapter in model.adapters] == ["descending"]


def test_every_reason_is_one_that_a_condition_can_have() -> None:
    table = TEXT.partition("| `AdaptersReady` |")[2].partition("\n\n")[0]
    named = {
        reason
        for line in table.splitlines()
        if line.startswith("| `")
        for reason in re.findall(r"`([A-Z]\w+)`", line.split("|")[1])
    }
    known = {getattr(errors, name).reason for name in errors.__all__ if name.endswith("Error")}
    assert named - OWN_REASONS <= known
    assert named >= OWN_REASONS


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
