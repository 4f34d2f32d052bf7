"""`datasets` and TRL with exported rows: loads a file of each kind, and trains two steps with it.

Arguments: a folder with dpo.jsonl, sft.jsonl and evals.jsonl. Prints what came of it as JSON.
"""

from __future__ import annotations

import contextlib
import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import datasets
import tokenizers
import transformers
import trl

TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def tiny() -> tuple[Any, Any]:
    """A model of a few thousand weights that knows single bytes."""
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


def loaded(folder: Path, kind: str) -> Any:
    return datasets.load_dataset(
        "json", data_files=str(folder / f"{kind}.jsonl"), split="train",
        cache_dir=str(folder / "cache"),
    )  # fmt: skip


def trained(folder: Path, kind: str, table: Any) -> int:
    model, tokenizer = tiny()
    config, trainer = {
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
        "sft": (trl.SFTConfig, trl.SFTTrainer),
    }[kind]
    settings = config(
        output_dir=str(folder / kind), max_steps=2, per_device_train_batch_size=2,
        report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
    )  # fmt: skip
    more = {"ref_model": deepcopy(model)} if kind == "dpo" else {}
    work = trainer(
        model=model, args=settings, train_dataset=table, processing_class=tokenizer, **more
    )
    return int(work.train().global_step)


def main(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for kind in ("dpo", "sft", "evals"):
        table = loaded(folder, kind)
        told[kind] = {"columns": table.column_names, "rows": table.to_list()}
        if kind != "evals":
            told[kind]["steps"] = trained(folder, kind, table)
    return told


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        told = main(Path(sys.argv[1]))
    sys.stdout.write(json.dumps(told))
