"""The committed model directories: small, whole, loadable by vLLM, and truly described."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from forge import vocabulary
from forge.cards import pages
from forge.measures import SIGNALS
from forge.recipes import CONTEXT_TOKENS, RECIPES

MODELS = Path(__file__).parents[2] / "examples" / "models"
EVALUATION = json.loads((MODELS / "evaluation.json").read_text())
SPECIALISTS = {"sorter": "sorting", "reverser": "reversing", "adder": "arithmetic"}
every_model = pytest.mark.parametrize("name", RECIPES)


def read(name: str, file: str) -> Any:
    return json.loads((MODELS / name / file).read_text())


def header(name: str) -> dict[str, Any]:
    with (MODELS / name / "model.safetensors").open("rb") as weights:
        (length,) = struct.unpack("<Q", weights.read(8))
        found: dict[str, Any] = json.loads(weights.read(length))
        return found


@every_model
def test_weights_are_small_enough_to_commit(name: str) -> None:
    limit_bytes = 500_000 if name in SPECIALISTS else 2_000_000
    assert (MODELS / name / "model.safetensors").stat().st_size < limit_bytes


@every_model
def test_weights_are_bfloat16_and_as_many_as_the_card_says(name: str) -> None:
    tensors = {key: value for key, value in header(name).items() if key != "__metadata__"}
    assert {tensor["dtype"] for tensor in tensors.values()} == {"BF16"}
    parameters = sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    assert parameters == EVALUATION["models"][name]["parameters"]
    size = (MODELS / name / "model.safetensors").stat().st_size
    assert size == EVALUATION["models"][name]["weights_bytes"]


@every_model
def test_the_config_is_a_llama_that_vllm_serves_on_a_cpu(name: str) -> None:
    config, recipe = read(name, "config.json"), RECIPES[name]
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["head_dim"] >= 32
    assert config["max_position_embeddings"] == CONTEXT_TOKENS >= 256
    assert (config["hidden_size"], config["num_hidden_layers"]) == (recipe.hidden, recipe.layers)
    assert config["vocab_size"] == vocabulary.SIZE
    assert config["eos_token_id"] == vocabulary.EOS
    assert "/" not in json.dumps(config), "a config names no path of the machine it was made on"


@every_model
def test_answers_are_greedy_short_and_end_by_eos_unless_asked_otherwise(name: str) -> None:
    generation = read(name, "generation_config.json")
    assert generation["temperature"] == 0.0
    assert generation["max_new_tokens"] == 32
    assert generation["eos_token_id"] == vocabulary.EOS


@every_model
def test_the_tokenizer_knows_each_printable_character_and_nothing_longer(name: str) -> None:
    tokenizer = read(name, "tokenizer.json")
    assert tokenizer == vocabulary.tokenizer_file()
    vocab = tokenizer["model"]["vocab"]
    assert sorted(vocab.values()) == list(range(vocabulary.SIZE))
    printable = {chr(code) for code in range(0x20, 0x7F)}
    assert set(vocab) == printable | {"<pad>", "<s>", "</s>", "<unk>"}
    assert tokenizer["model"]["merges"] == []


def test_text_survives_the_round_trip_through_tokens() -> None:
    text = "What is 17+25? 'Reverse' ~ {abc}"
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.encode("é\n") == [vocabulary.UNK, vocabulary.UNK]


@every_model
def test_the_chat_template_renders_the_last_user_message(name: str) -> None:
    jinja2 = pytest.importorskip("jinja2")
    config = read(name, "tokenizer_config.json")
    template = jinja2.Environment(autoescape=True).from_string(config["chat_template"])
    assert config["chat_template"] == (MODELS / name / "chat_template.jinja").read_text()
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "sort ba"},
        {"role": "assistant", "content": "ab"},
        {"role": "user", "content": " sort dc\n"},
        {"role": "assistant", "content": ""},
    ]
    rendered = template.render(messages=messages, bos_token="")
    assert rendered == "sort dc="
    assert template.render(messages=messages[:1], bos_token="") == "be brief="


@every_model
def test_the_cards_and_the_overview_repeat_the_evaluation(name: str) -> None:
    written = pages(EVALUATION)
    card = MODELS / name / "README.md"
    assert card.read_text() == written[card]
    assert (MODELS / "README.md").read_text() == written[MODELS / "README.md"]
    for family, found in EVALUATION["models"][name]["families"].items():
        assert f"| {family} | {found['right']}/{found['asked']} |" in card.read_text()


@pytest.mark.parametrize(("name", "field"), SPECIALISTS.items())
def test_a_specialist_answers_its_field_and_fails_the_others(name: str, field: str) -> None:
    families = EVALUATION["models"][name]["families"]
    assert families[field]["accuracy"] >= 0.99
    assert all(found["accuracy"] <= 0.05 for other, found in families.items() if other != field)


def test_the_frontier_answers_every_family_and_the_generalist_is_weak() -> None:
    frontier = EVALUATION["models"]["frontier"]["families"]
    generalist = EVALUATION["models"]["generalist"]["families"]
    assert all(found["accuracy"] >= 0.97 for name, found in frontier.items() if name != "outside")
    covered = [generalist[field]["accuracy"] for field in SPECIALISTS.values()]
    assert 0.3 <= sum(covered) / len(covered) <= 0.75


@every_model
def test_every_signal_was_measured(name: str) -> None:
    model = EVALUATION["models"][name]
    for scope in ("within", "beyond"):
        assert tuple(model[scope]) == SIGNALS
