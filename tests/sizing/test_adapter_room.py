"""What adapters take, and which of them a base model can carry."""

from __future__ import annotations

from typing import Any

import pytest
from big_models import LLAMA_8B as LLAMA

from tierwise_core.architectures import metadata_from_config
from tierwise_core.errors import InvalidAdapterError
from tierwise_core.lora import (
    AdapterFacts,
    AdapterLimits,
    check_adapter,
    engine_max_rank,
    read_adapter,
)
from tierwise_core.model_metadata import Demand, SizeOverrides
from tierwise_core.sizing import memory_per_gpu, sizing_assumptions

NONE = SizeOverrides()
BASE = metadata_from_config(LLAMA, 16_060_522_496, 8_030_261_248)
LIMITS = AdapterLimits(max_rank=16, max_loaded=4)
STEM = "base_model.model.model.layers.0"


def room(tensor_parallel: int = 1, limits: AdapterLimits = LIMITS) -> int:
    plain, with_room = (
        memory_per_gpu(BASE, NONE, Demand(1024, adapters=adapters), tensor_parallel).overhead_bytes
        for adapters in (None, limits)
    )
    return with_room - plain


def test_room_for_adapters_is_counted_layer_by_layer() -> None:
    """Inputs and outputs of every matrix of a block, of the embedding and the output layer."""
    block = 2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336)
    values = 32 * block + 2 * (4096 + 128256)
    assert room() == 4 * 16 * values * 2


def test_named_layers_alone_take_room_where_the_engine_is_told_so() -> None:
    limits = AdapterLimits(16, 4, target_modules=("q_proj", "v_proj"))
    assert room(limits=limits) == 4 * 16 * 32 * (4096 + 4096 + 4096 + 1024) * 2


def test_a_rank_between_is_reserved_as_the_next_one_the_engine_knows() -> None:
    assert room(limits=AdapterLimits(17, 1)) == room(limits=AdapterLimits(32, 1))


def test_tensor_parallel_divides_one_side_of_each_layer() -> None:
    assert room() / 2 < room(2) < room()


def test_more_gpus_than_key_value_heads_repeat_them() -> None:
    only = AdapterLimits(16, 4, target_modules=("k_proj",))
    assert room(8, only) == room(16, only)


def test_a_mixture_takes_room_for_every_expert() -> None:
    config = LLAMA | {
        "model_type": "mixtral",
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    }
    mixtral = metadata_from_config(config, 10**11, 5 * 10**10)
    need = memory_per_gpu(mixtral, NONE, Demand(1024, adapters=LIMITS), 1)
    experts = 32 * 8 * 3 * (4096 + 14336)
    assert need.overhead_bytes > 4 * 16 * experts * 2


def test_the_room_is_said_and_so_is_what_is_not_known() -> None:
    demand = Demand(1024, adapters=LIMITS)
    assert any("4 adapters of rank 16" in note for note in sizing_assumptions(BASE, NONE, demand))
    unknown = metadata_from_config(LLAMA | {"model_type": "nextgen"}, 10**10, 5 * 10**9)
    notes = sizing_assumptions(unknown, NONE, demand)
    assert any("is not counted: the model's layers are not known" in note for note in notes)


@pytest.mark.parametrize("rank", [0, -1, 513])
def test_a_rank_that_the_engine_cannot_reserve_is_refused(rank: int) -> None:
    with pytest.raises(InvalidAdapterError, match=r"adapterLimits\.maxRank"):
        engine_max_rank(rank)


def adapter(module: str, inputs: int, outputs: int, rank: int = 8) -> AdapterFacts:
    return read_adapter(
        {"peft_type": "LORA", "r": rank, "target_modules": [module]},
        {
            f"{STEM}.mlp.{module}.lora_A.weight": (rank, inputs),
            f"{STEM}.mlp.{module}.lora_B.weight": (outputs, rank),
        },
    )


def test_an_adapter_of_this_base_is_taken() -> None:
    check_adapter("terse", adapter("down_proj", 14336, 4096), LIMITS, BASE)


def test_an_adapter_over_the_rank_is_refused_with_both_ways_out() -> None:
    with pytest.raises(InvalidAdapterError, match="set maxRank to 32 or train the adapter"):
        check_adapter("terse", adapter("down_proj", 14336, 4096, 32), LIMITS, BASE)


def test_a_rank_of_a_single_layer_counts_too() -> None:
    facts = read_adapter({"r": 8, "rank_pattern": {"q_proj": 64}, "target_modules": ["q_proj"]})
    assert facts.rank == 64


def test_an_adapter_of_another_width_is_of_another_base() -> None:
    with pytest.raises(InvalidAdapterError) as refused:
        check_adapter("terse", adapter("down_proj", 11008, 4096), LIMITS, BASE)
    assert (
        "'terse' expects down_proj of 11008 x 4096, that of LlamaForCausalLM is 14336 x 4096"
        in (str(refused.value))
    )


def test_an_adapter_of_layers_that_the_base_lacks_is_refused() -> None:
    facts = read_adapter({"r": 8, "target_modules": ["c_attn"], "base_model_name_or_path": "gpt2"})
    with pytest.raises(InvalidAdapterError, match=r"changes c_attn.*trained on gpt2"):
        check_adapter("terse", facts, LIMITS, BASE)


def test_of_a_base_whose_layers_are_not_known_only_the_rank_is_checked() -> None:
    unknown = metadata_from_config(LLAMA | {"model_type": "nextgen"}, 10**10, 5 * 10**9)
    check_adapter("terse", adapter("anything", 1, 1), LIMITS, unknown)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"r": 8, "use_dora": True}, "DoRA"),
        ({"r": 0}, "r is 0"),
        ({"r": "8"}, "r is '8'"),
        ({}, "r is None"),
    ],
)
def test_what_is_no_adapter_the_engine_loads_is_refused(config: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidAdapterError, match=named):
        read_adapter(config)


@pytest.mark.parametrize(
    ("config", "module", "inputs", "outputs"),
    [
        (
            {"model_type": "falcon", "num_kv_heads": 32, "new_decoder_architecture": True},
            "query_key_value",
            4096,
            3 * 4096,
        ),
        ({"model_type": "gpt2"}, "c_fc", 4096, 14336),
        ({"model_type": "phi3"}, "gate_up_proj", 4096, 2 * 14336),
        (
            {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2},
            "w2",
            14336,
            4096,
        ),
        (
            {
                "model_type": "qwen3_moe",
                "num_experts": 8,
                "num_experts_per_tok": 2,
                "moe_intermediate_size": 768,
            },
            "gate_proj",
            4096,
            768,
        ),
    ],
)
def test_layers_go_by_the_names_that_their_family_gives_them(
    config: dict[str, Any], module: str, inputs: int, outputs: int
) -> None:
    named = {**LLAMA, **config}
    if config["model_type"] != "qwen3_moe":
        named.pop("num_key_value_heads")
    base = metadata_from_config(named, 10**10, 5 * 10**9)
    check_adapter("terse", adapter(module, inputs, outputs), LIMITS, base)


def test_layers_of_a_vision_tower_are_left_to_the_engine() -> None:
    config = LLAMA | {"vision_config": {"hidden_size": 1152, "num_hidden_layers": 27}}
    base = metadata_from_config(config, 10**10, 5 * 10**9)
    facts = read_adapter(
        {"r": 8, "target_modules": ["q_proj", "fc1"]},
        {
            "base_model.model.vision_tower.layers.0.q_proj.lora_A.weight": (8, 1152),
            f"{STEM}.self_attn.q_proj.lora_A.weight": (8, 4096),
        },
    )
    check_adapter("seeing", facts, LIMITS, base)
