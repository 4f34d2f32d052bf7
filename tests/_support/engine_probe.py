"""Runs inside the engine's own environment: makes models, loads them, says what the engine said.

    python engine_probe.py DIRECTORY NAME...

One process loads one model after the other, each with a cache of 64 MiB, and prints a line of JSON
for each: the pool of blocks as the engine made it, and the bytes of the parameters it allocated
before it packed them for the processor.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

os.environ.update(
    HF_HUB_OFFLINE="1",
    TORCHDYNAMO_DISABLE="1",
    VLLM_ENABLE_V1_MULTIPROCESSING="0",
    VLLM_LOGGING_LEVEL="ERROR",
    VLLM_NO_USAGE_STATS="1",
    VLLM_CPU_KVCACHE_SPACE="1",
)

import torch
from safetensors.torch import load_file, save_file
from tiny_models import CONTEXT, MODELS
from transformers import AutoConfig, AutoModelForCausalLM
from vllm import LLM
from vllm.model_executor.model_loader import base_loader

BITS: Final = 4
PER_WORD: Final = 32 // BITS
allocated: dict[str, int] = {}
pack_weights = base_loader.process_weights_after_loading


def note_and_pack(model: Any, *args: Any, **kwargs: Any) -> None:
    """Add up the parameters as they were loaded, then let the engine pack them."""
    allocated["bytes"] = sum(
        parameter.numel() * parameter.element_size() for parameter in model.parameters()
    )
    pack_weights(model, *args, **kwargs)


def write_model(directory: Path, config: dict[str, Any]) -> None:
    """Write a random model of a config, quantized if the config says so."""
    directory.mkdir(parents=True, exist_ok=True)
    plain = {key: value for key, value in config.items() if key != "quantization_config"}
    (directory / "config.json").write_text(json.dumps(plain))
    dtype = getattr(torch, config["torch_dtype"])
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(directory), dtype=dtype)
    model.save_pretrained(directory)
    (directory / "config.json").write_text(json.dumps(config))
    if "quantization_config" in config:
        weights = directory / "model.safetensors"
        tensors = load_file(weights)
        save_file(dict(quantized(tensors, config["quantization_config"])), weights)


def quantized(
    tensors: dict[str, torch.Tensor], quantization: dict[str, Any]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The same tensors, those of the blocks' matrices in the layout of the method."""
    method = quantization["quant_method"]
    for name, tensor in tensors.items():
        if "_proj.weight" not in name:
            yield name, tensor
            continue
        stem = name.removesuffix(".weight")
        outputs, inputs = tensor.shape
        if method == "compressed-tensors":
            yield name, torch.zeros(outputs, inputs, dtype=torch.int8)
            yield f"{stem}.weight_scale", torch.ones(outputs, 1, dtype=tensor.dtype)
            continue
        groups = inputs // quantization["group_size"]
        shape = (inputs // PER_WORD, outputs) if method == "gptq" else (inputs, outputs // PER_WORD)
        yield f"{stem}.qweight", torch.zeros(shape, dtype=torch.int32)
        yield f"{stem}.qzeros", torch.zeros(groups, outputs // PER_WORD, dtype=torch.int32)
        yield f"{stem}.scales", torch.ones(groups, outputs, dtype=tensor.dtype)
        if method == "gptq":
            members = torch.arange(inputs, dtype=torch.int32) // quantization["group_size"]
            yield f"{stem}.g_idx", members


def probe(directory: Path, name: str) -> dict[str, Any]:
    """Load a model and say what the engine made of it."""
    write_model(directory, MODELS[name])
    llm = LLM(
        model=str(directory),
        skip_tokenizer_init=True,
        enforce_eager=True,
        max_model_len=CONTEXT,
        max_num_seqs=4,
        max_num_batched_tokens=256,
        kv_cache_dtype="fp8" if name.endswith("fp8-cache") else "auto",
        enable_lora=name == "llama-lora",
        max_lora_rank=8,
        max_loras=2,
    )
    core = llm.llm_engine.engine_core.engine_core
    cache = llm.llm_engine.vllm_config.cache_config
    pool = core.scheduler.kv_cache_config
    report = {
        "name": name,
        "block_tokens": cache.block_size,
        "blocks": pool.num_blocks,
        "pool_bytes": pool.kv_cache_tensors[0].size,
        "groups": [len(group.layer_names) for group in pool.kv_cache_groups],
        "kv_cache_size_tokens": cache.kv_cache_size_tokens,
        "kv_cache_memory_bytes": cache.kv_cache_memory_bytes,
        "tokens_in_flight": llm.llm_engine.vllm_config.max_in_flight_tokens,
        "prefix_caching": cache.enable_prefix_caching,
        "allocated_bytes": allocated["bytes"],
        "adapter_bytes": adapter_bytes(llm),
    }
    core.shutdown()
    return report


def adapter_bytes(llm: Any) -> int:
    """The bytes of the buffers that wait for adapters."""
    core = llm.llm_engine.engine_core.engine_core
    runner = core.model_executor.driver_worker.worker.model_runner
    manager = getattr(runner, "lora_manager", None)
    if manager is None:
        return 0
    seen: dict[int, int] = {}
    for module in manager._adapter_manager.modules.values():
        for field, value in vars(module).items():
            if "lora_" in field and "stacked" in field:
                tensors = value if isinstance(value, tuple | list) else (value,)
                for tensor in tensors:
                    storage = tensor.untyped_storage()
                    seen[storage.data_ptr()] = storage.nbytes()
    return sum(seen.values())


def main() -> None:
    """Probe the named models."""
    base_loader.process_weights_after_loading = note_and_pack
    directory, *names = sys.argv[1:]
    for name in names:
        try:
            report = probe(Path(directory) / name, name)
        except Exception as error:  # noqa: BLE001 - told of this model; the others go on
            report = {"name": name, "error": repr(error)}
        sys.stdout.write(f"PROBE {json.dumps(report)}\n")
        sys.stdout.flush()
        gc.collect()


if __name__ == "__main__":
    main()
