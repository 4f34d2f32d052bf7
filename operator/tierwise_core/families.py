"""What the families of language models differ in when their weights are counted.

Every family is a plain decoder but for what stands here: which vectors (norms, biases) a block has,
whether its feed-forward is gated, whether the output layer is the embedding unless the config says
otherwise, and under which names its files keep the matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

__all__ = ["FAMILIES", "MODULE_NAMES", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """What a family has that its config does not say.

    Attributes:
        gated: the feed-forward has a gate beside its up-projection.
        tied: the output layer is the embedding unless ``tie_word_embeddings`` says otherwise.
        query_bias: queries, keys and values have biases (else by ``attention_bias``).
        output_bias: the attention's output has one (else by ``attention_bias``).
        feed_forward_bias: the feed-forward's matrices have them (else by ``mlp_bias``).
        norms: norms of each block.
        norm_bias: norms have a bias beside their weight.
        head_norms: queries and keys are normed: by ``head`` or over their whole ``width``.
        learned_positions: a table of positions.
        fused: the files keep queries, keys and values in one matrix, gate and up in another.
        expert_bias: the experts' matrices and the router have biases.
        sinks: each head has a sink.
        padded_positions: rows of the table of positions beyond those of the context.
    """

    gated: bool = True
    tied: bool = False
    query_bias: bool = False
    output_bias: bool = False
    feed_forward_bias: bool = False
    norms: int = 2
    norm_bias: bool = False
    head_norms: str = ""
    learned_positions: bool = False
    fused: bool = False
    expert_bias: bool = False
    sinks: bool = False
    padded_positions: int = 0


LLAMA: Final = Family()
GEMMA: Final = Family(tied=True)
CLASSIC: Final = Family(
    gated=False,
    tied=True,
    query_bias=True,
    output_bias=True,
    feed_forward_bias=True,
    norm_bias=True,
)
DEEPSEEK: Final = Family()

FAMILIES: Final[Mapping[str, Family]] = {
    "arcee": replace(LLAMA, gated=False),
    "cohere": Family(tied=True, norms=1),
    "cohere2": Family(tied=True, norms=1),
    "deepseek_v2": DEEPSEEK,
    "deepseek_v3": DEEPSEEK,
    "deepseek_v32": DEEPSEEK,
    "exaone": LLAMA,
    "exaone4": Family(head_norms="head"),
    "falcon": Family(gated=False, norms=1, norm_bias=True, fused=True),
    "gemma": GEMMA,
    "gemma2": replace(GEMMA, norms=4),
    "gemma3": replace(GEMMA, norms=4, head_norms="head"),
    "gemma3_text": replace(GEMMA, norms=4, head_norms="head"),
    "glm4": Family(query_bias=True, norms=4),
    "glm4_moe": LLAMA,
    "gpt2": replace(CLASSIC, learned_positions=True, fused=True),
    "gpt_bigcode": replace(CLASSIC, learned_positions=True, fused=True),
    "gpt_neox": replace(CLASSIC, tied=False, fused=True),
    "gpt_oss": Family(query_bias=True, output_bias=True, expert_bias=True, sinks=True),
    "granite": LLAMA,
    "granitemoe": LLAMA,
    "internlm2": replace(LLAMA, fused=True),
    "internlm3": LLAMA,
    "kimi_k2": DEEPSEEK,
    "llama": LLAMA,
    "llama4_text": LLAMA,
    "minimax_m2": Family(head_norms="width"),
    "ministral": LLAMA,
    "mistral": LLAMA,
    "mixtral": LLAMA,
    "nemotron": Family(gated=False, norm_bias=True),
    "olmo": Family(norms=0),
    "olmo2": Family(head_norms="width"),
    "olmo3": Family(head_norms="width"),
    "olmoe": Family(head_norms="width"),
    "opt": replace(CLASSIC, learned_positions=True, padded_positions=2),
    "phi3": replace(LLAMA, fused=True),
    "phimoe": Family(query_bias=True, output_bias=True, norm_bias=True),
    "qwen2": Family(query_bias=True),
    "qwen2_5_vl": Family(query_bias=True),
    "qwen2_5_vl_text": Family(query_bias=True),
    "qwen2_moe": Family(query_bias=True),
    "qwen2_vl": Family(query_bias=True),
    "qwen2_vl_text": Family(query_bias=True),
    "qwen3": Family(head_norms="head"),
    "qwen3_moe": Family(head_norms="head"),
    "qwen3_vl_moe_text": Family(head_norms="head"),
    "qwen3_vl_text": Family(head_norms="head", tied=True),
    "seed_oss": Family(query_bias=True),
    "smollm3": replace(LLAMA, tied=True),
    "starcoder2": replace(CLASSIC),
}
"""``model_type`` of the decoders whose weights we can count from their config alone."""

NEOX: Final = {
    "qkv_proj": "query_key_value",
    "o_proj": "dense",
    "up_proj": "dense_h_to_4h",
    "down_proj": "dense_4h_to_h",
}
GPT2: Final = {"qkv_proj": "c_attn", "o_proj": "c_proj", "up_proj": "c_fc", "down_proj": "c_proj"}

MODULE_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "falcon": NEOX,
    "gpt2": GPT2,
    "gpt_bigcode": GPT2,
    "gpt_neox": NEOX,
    "internlm2": {
        "qkv_proj": "wqkv",
        "o_proj": "wo",
        "gate_up_proj": "w1",
        "down_proj": "w2",
        "lm_head": "output",
        "embed_tokens": "tok_embeddings",
    },
    "mixtral": {
        "experts.gate_proj": "experts.w1",
        "experts.up_proj": "experts.w3",
        "experts.down_proj": "experts.w2",
    },
    "opt": {"o_proj": "out_proj", "up_proj": "fc1", "down_proj": "fc2"},
    "starcoder2": {"up_proj": "c_fc", "down_proj": "c_proj"},
}
"""What families call the matrices that most others name as Llama does; adapters go by it."""
