"""What vLLM takes on a GPU besides weights and KV cache: activations and fixed overhead.

Both are estimates, made to err upward by a little. Their constants come from vLLM's own start-up
logs, which its maintainers posted in public threads:

- vllm-project/vllm pull request 10511 (H100 80 GB, Meta-Llama-3-8B, 8192 batched tokens, 256
  sequences): "PyTorch activation peak memory 1.26GiB", the same at tensor parallel 1 and 2. That it
  does not shrink with tensor parallel shows that the sampler sets it, which holds the whole
  vocabulary on each rank. 1.26 GiB less the hidden states is 37 bytes per logit; 40 are counted.
- pull request 5515: CUDA graphs of an 80-layer model took 0.62 GB, and an 28-layer one 0.13 GiB
  (generative-computing/mellea, pull request 416): 5 to 8 MB per layer; 8 MiB are counted.
- issue 14452 (two RTX 5090): outside PyTorch 0.33 GiB at tensor parallel 2, 0.16 GiB without it
  (pull request 12126): communication buffers; 256 MiB are counted.
"""

from __future__ import annotations

from typing import Final

from tierwise_core.lora import lora_bytes_per_gpu
from tierwise_core.model_metadata import Demand, ModelMetadata

__all__ = ["UNKNOWN_ACTIVATION_BYTES", "activation_bytes", "adapter_bytes", "overhead_bytes"]

MIB: Final = 2**20
COMPUTE_DTYPE_BYTES: Final = 2
SAMPLER_BYTES_PER_LOGIT: Final = 40
CUDA_CONTEXT_BYTES: Final = 768 * MIB
GRAPH_BYTES_PER_LAYER: Final = 8 * MIB
COMMUNICATION_BYTES: Final = 256 * MIB
UNKNOWN_LAYERS: Final = 80
UNKNOWN_ACTIVATION_BYTES: Final = 2048 * MIB
"""Counted when nothing is known of the model: what an 80-layer, 70-billion-parameter one needs."""


def activation_bytes(metadata: ModelMetadata, demand: Demand, tensor_parallel: int) -> int:
    """The peak working memory of one step on each GPU, in bytes.

    The larger of two moments that do not overlap:

    - inside a block, ``tokens x (2 hidden + widest inner) x 2 bytes``: the residual stream and its
      normalised copy, and the widest of the attention's and the feed-forward's tensors, which are
      cut over the GPUs;
    - at the sampler, ``sequences x vocabulary x 40 bytes`` (logits in 16 and 32 bit, sorted values
      and indices, probabilities, their running sum), and the hidden states kept meanwhile.

    Llama-3-8B, whose measured peak is 1.26 GiB at tensor parallel 1 and at 2 (module docstring):

    >>> llama = ModelMetadata("LlamaForCausalLM", 16_060_522_496, 8_030_261_248, layers=32,
    ...     kv_heads=8, attention_heads=32, head_dim=128, hidden_size=4096, vocab_size=128256,
    ...     context_length=8192, kv_dtype_bytes=2, dtype="bfloat16", kv_bytes_per_token=131072,
    ...     intermediate_size=14336)
    >>> [round(activation_bytes(llama, Demand(), tp) / 2**30, 2) for tp in (1, 2)]
    [1.35, 1.35]
    """
    tokens = demand.max_batched_tokens
    stream = 2 * metadata.hidden_size
    inner = max(_attention_width(metadata), _feed_forward_width(metadata, tensor_parallel))
    forward = tokens * (stream + -(-inner // tensor_parallel)) * COMPUTE_DTYPE_BYTES
    logits = demand.max_sequences * metadata.vocab_size * SAMPLER_BYTES_PER_LOGIT
    sampler = logits + tokens * stream * COMPUTE_DTYPE_BYTES
    return max(forward, sampler, _vision_bytes(metadata, tokens)) + _picture_cache(metadata, tokens)


def _vision_bytes(metadata: ModelMetadata, tokens: int) -> int:
    """The vision tower at work on as many pictures as one step may hold: an upper bound."""
    held = max(tokens, metadata.image_tokens) if metadata.image_tokens else 0
    return held * metadata.vision_width * COMPUTE_DTYPE_BYTES


def _picture_cache(metadata: ModelMetadata, tokens: int) -> int:
    """Pictures' tokens that wait for their turn; the engine keeps those of one step."""
    held = max(tokens, metadata.image_tokens) if metadata.image_tokens else 0
    return held * metadata.hidden_size * COMPUTE_DTYPE_BYTES


def adapter_bytes(metadata: ModelMetadata, demand: Demand, tensor_parallel: int) -> int:
    """The room for LoRA adapters on each GPU (:mod:`tierwise_core.lora`), 0 without adapters."""
    if demand.adapters is None:
        return 0
    room = lora_bytes_per_gpu(metadata.linears, demand.adapters, tensor_parallel, metadata.kv_heads)
    return -(-room // demand.pipeline_parallel)


def _attention_width(metadata: ModelMetadata) -> int:
    """Values per token of queries, keys, values and the attention's output, over all GPUs."""
    heads = 2 * metadata.attention_heads + 2 * metadata.kv_heads
    return heads * metadata.head_dim


def _feed_forward_width(metadata: ModelMetadata, tensor_parallel: int) -> int:
    """Values per token inside the feed-forward block, over all GPUs.

    Dense: gate, up and their product. With experts: the same for each routed expert, and the
    expert's outputs, ``hidden`` wide on every GPU, share the memory of gate and up.
    """
    if not metadata.experts_per_token:
        return 3 * metadata.intermediate_size
    outputs = metadata.hidden_size * tensor_parallel
    return metadata.experts_per_token * (
        max(2 * metadata.intermediate_size, outputs) + metadata.intermediate_size
    )


def overhead_bytes(layers: int, tensor_parallel: int) -> int:
    """CUDA context and libraries, CUDA graphs and communication buffers on each GPU, in bytes.

    ``768 MiB + 8 MiB x layers``, and 256 MiB more when the model is cut over GPUs. Layers that are
    not known (0) count as 80.

    >>> overhead_bytes(32, 1) // MIB, overhead_bytes(80, 2) // MIB, overhead_bytes(0, 1) // MIB
    (1024, 1664, 1408)
    """
    graphs = (layers or UNKNOWN_LAYERS) * GRAPH_BYTES_PER_LAYER
    communication = COMMUNICATION_BYTES if tensor_parallel > 1 else 0
    return CUDA_CONTEXT_BYTES + graphs + communication
