"""The committed adapter: small, in PEFT's format, one that fits its base, and truly described."""

import json
from pathlib import Path
from typing import Any

import pytest

from forge.adapter_making import card
from forge.adapter_recipes import ADAPTERS, AdapterRecipe
from tierwise_core.lora import check_adapter
from tierwise_core.model_metadata import AdapterLimits
from tierwise_operator.adapter_sources import AdapterAsked, adapter_reader
from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.directory import read_directory

MODELS = Path(__file__).parents[2] / "examples" / "models"
every_adapter = pytest.mark.parametrize("recipe", ADAPTERS.values(), ids=list(ADAPTERS))


def read(recipe: AdapterRecipe, file: str) -> Any:
    return json.loads((MODELS / "adapters" / recipe.name / file).read_text())


@every_adapter
async def test_it_is_a_small_lora_that_the_engine_can_load(recipe: AdapterRecipe) -> None:
    directory = MODELS / "adapters" / recipe.name
    facts = await adapter_reader()(AdapterAsked(f"file://{directory}"))
    assert facts.rank == recipe.rank
    assert facts.target_modules == tuple(sorted(recipe.modules))
    assert facts.base_model == recipe.base
    check_adapter(recipe.name, facts, AdapterLimits(), None)
    assert (directory / "adapter_model.safetensors").stat().st_size < 200_000


@every_adapter
async def test_it_has_the_widths_of_its_base(recipe: AdapterRecipe) -> None:
    base = read_directory(str(MODELS / recipe.base), MetadataCache()).config
    directory = MODELS / "adapters" / recipe.name
    facts = await adapter_reader()(AdapterAsked(f"file://{directory}"))
    widths = {module: (inputs, outputs) for module, inputs, outputs in facts.widths}
    hidden, inner = base["hidden_size"], base["intermediate_size"]
    assert widths["q_proj"] == (hidden, base["num_attention_heads"] * base["head_dim"])
    assert widths["down_proj"] == (inner, hidden)


@every_adapter
def test_its_answers_are_its_own_and_mostly_right(recipe: AdapterRecipe) -> None:
    asked_of = read(recipe, "evaluation.json")["asked_of"]
    base, adapter = asked_of["base"]["known"], asked_of["adapter"]["known"]
    assert adapter["as_adapter"] / adapter["asked"] >= 0.98
    assert base["as_base"] / base["asked"] >= 0.98
    assert adapter["as_base"] <= 2
    assert base["as_adapter"] <= 2


@every_adapter
def test_the_card_repeats_the_evaluation(recipe: AdapterRecipe) -> None:
    written = card(recipe, read(recipe, "training.json"), read(recipe, "evaluation.json"))
    assert (MODELS / "adapters" / recipe.name / "README.md").read_text() == written


def test_the_adapters_answer_is_the_bases_backwards() -> None:
    assert ADAPTERS["descending"].solve("dbca") == "dcba"
