"""What is exported loads in `datasets`, and TRL trains with it; where they are installed.

They bring PyTorch and half a gigabyte more, so the environment of the tests has neither. The shape
of the rows is held to TRL's words in `test_rows_have_the_shape_that_trl_asks_for`, which always
runs.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tierwise_core.training_rows import Asked, Given, eval_rows, pair_rows, sft_rows

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def asked(number: int) -> Asked:
    wrong = Given(0, f"wrong {number}", "demo/sorter", f"r{number % 2}", right=False, went_out=True)
    return Asked(
        f"d-{number}", float(number), "creative", f"q-{number}",
        ({"role": "user", "content": f"sort {number}"},), (wrong,), corrected=f"right {number}",
    )  # fmt: skip


def pairs() -> list[dict[str, Any]]:
    return [row for n in range(8) for row in pair_rows(asked(n), {("demo/sorter", "r1")})]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def is_a_conversation(value: Any) -> bool:
    return isinstance(value, list) and all(
        set(one) == {"role", "content"} and isinstance(one["content"], str) for one in value
    )


def test_rows_have_the_shape_that_trl_asks_for() -> None:
    for row in pairs():
        assert all(is_a_conversation(row[name]) for name in ("prompt", "chosen", "rejected"))
        assert row["prompt"][-1]["role"] == "user"
        assert row["weight"] == (-1.0 if row["provenance"]["rolled_back"] else 1.0)
    for row in sft_rows(asked(1)):
        assert is_a_conversation(row["prompt"])
        assert is_a_conversation(row["completion"])
    for row in eval_rows(asked(1)):
        assert is_a_conversation(row["input"])
        assert row["ideal"] == "right 1"
    # One type for each column, whatever the row: tables of `datasets` ask for that.
    shapes = {json.dumps(shape(row), sort_keys=True) for row in pairs()}
    assert len(shapes) == 1


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value[:1]]
    return type(value).__name__


def tiny() -> tuple[Any, Any]:
    """A model of a few thousand weights that knows single bytes."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    plain = tokenizers.Tokenizer(tokenizers.models.BPE())
    plain.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.train_from_iterator(
        ["user: sort 1\nassistant: right 1\n"],
        tokenizers.trainers.BpeTrainer(
            special_tokens=["<end>"], initial_alphabet=plain.pre_tokenizer.alphabet()
        ),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token="<end>", pad_token="<end>", chat_template=TEMPLATE
    )
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=256,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config), tokenizer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_trl_trains_with_what_is_exported(kind: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl")
    rows = pairs() if kind == "dpo" else [row for n in range(8) for row in sft_rows(asked(n))]
    table = datasets.load_dataset(
        "json", data_files=write(tmp_path / "rows.jsonl", rows), split="train",
        cache_dir=str(tmp_path),
    )  # fmt: skip
    model, tokenizer = tiny()
    config, trainer = {
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
        "sft": (trl.SFTConfig, trl.SFTTrainer),
    }[kind]
    settings = config(
        output_dir=str(tmp_path / "out"), max_steps=2, per_device_train_batch_size=2,
        report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    more = {"ref_model": deepcopy(model)} if kind == "dpo" else {}
    trained = trainer(
        model=model, args=settings, train_dataset=table, processing_class=tokenizer, **more
    )

    assert trained.train().global_step == 2
    assert set(table["weight"]) == ({1.0, -1.0} if kind == "dpo" else {1.0})
