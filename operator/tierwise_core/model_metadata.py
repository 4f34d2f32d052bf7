"""What sizing knows of a model, what a user overrides, what is asked of it, what comes out.

Plain values in plain units. :mod:`tierwise_core.architectures` makes a :class:`ModelMetadata` from
a model's own files, :mod:`tierwise_core.sizing` turns it into a :class:`MemoryBreakdown`.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierwise_core.layer_cache import LayerCache
from tierwise_core.linear import Linear

__all__ = ["AdapterLimits", "Demand", "MemoryBreakdown", "ModelMetadata", "SizeOverrides"]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """The facts of one model revision that decide how much GPU memory it needs.

    A count that the config does not say and that an override made needless is 0.

    Attributes:
        architecture: the class vLLM would load, such as ``LlamaForCausalLM``.
        weights_bytes: the bytes of all tensors, as stored.
        parameters: how many weights those are, packed integers counted unpacked.
        layers: transformer blocks.
        kv_heads: key-value heads over the whole model; for latent attention the attention heads.
        attention_heads: query heads over the whole model.
        head_dim: the width of one head; for latent attention that of an expanded query head.
        hidden_size: the width of the residual stream.
        vocab_size: rows of the output layer.
        context_length: the longest sequence the model was made for, in tokens.
        kv_dtype_bytes: bytes of one cached value.
        dtype: the dtype vLLM computes in, such as ``bfloat16``.
        kv_bytes_per_token: the cache of one token over the whole model, on one GPU.
        intermediate_size: the width of one feed-forward block, or of one expert.
        experts_per_token: routed experts that see each token, 0 for a dense model.
        latent_attention: the cache is a latent (MLA) and each GPU keeps all of it.
        quantization: the method in the config (``awq``, ``gptq``, ``fp8`` ...), else empty.
        parameters_by_dtype: elements per stored dtype, as the files name them.
        linears: its matrices, where the family is known; LoRA and active parameters go by them.
        caches: what its kinds of layers keep of a sequence; without them every token is taken to
            cost ``kv_bytes_per_token``.
        kv_cache_dtype: what ``--kv-cache-dtype auto`` means for it; its config may ask for fp8.
        divisible: counts that tensor parallel must divide besides heads and widths.
        quantization_group: inputs that share a scale; 0 if a GPU's part may be of any width.
        image_tokens: of the largest picture; 0 for a model of texts.
        vision_width: values per token of its vision tower while it works.
        assumptions: what was assumed where the files are silent, in words.
    """

    architecture: str
    weights_bytes: int
    parameters: int
    layers: int
    kv_heads: int
    attention_heads: int
    head_dim: int
    hidden_size: int
    vocab_size: int
    context_length: int
    kv_dtype_bytes: int
    dtype: str
    kv_bytes_per_token: int
    intermediate_size: int = 0
    experts_per_token: int = 0
    latent_attention: bool = False
    quantization: str = ""
    parameters_by_dtype: tuple[tuple[str, int], ...] = ()
    linears: tuple[Linear, ...] = ()
    caches: tuple[LayerCache, ...] = ()
    kv_cache_dtype: str = "auto"
    divisible: tuple[tuple[int, str], ...] = ()
    quantization_group: int = 0
    image_tokens: int = 0
    vision_width: int = 0
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SizeOverrides:
    """``spec.model.size``: what the user knows better than the files. ``None`` is "not given".

    Attributes:
        weights_bytes: the weights of the whole model.
        parameters: counts for the weights, at the stored bytes per parameter, else at 2.
        kv_bytes_per_token: the cache of one token over the whole model.
        activation_bytes: working memory, on each GPU.
        overhead_bytes: CUDA context, graphs and communication buffers, on each GPU.
    """

    weights_bytes: int | None = None
    parameters: int | None = None
    kv_bytes_per_token: int | None = None
    activation_bytes: int | None = None
    overhead_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class AdapterLimits:
    """``spec.model.adapterLimits``: the LoRA adapters that a replica makes room for.

    Attributes:
        max_rank: the largest rank an adapter may have.
        max_loaded: how many adapters one batch may use.
        target_modules: the engine's ``--lora-target-modules``; empty adapts every layer.
    """

    max_rank: int = 16
    max_loaded: int = 4
    target_modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """What one replica must be able to do at the same time.

    Attributes:
        context_length_tokens: ``spec.model.maxModelLen``; ``None`` is the model's own length.
        concurrency: sequences of full length that must fit (``placement.targetConcurrency``).
        tensor_parallel: GPUs to cut the model over, ``None`` to try 1, 2, 4 and 8.
        max_batched_tokens: vLLM's ``--max-num-batched-tokens``, tokens of one forward pass.
        max_sequences: vLLM's ``--max-num-seqs``, rows of logits that are sampled at once.
        kv_cache_dtype: vLLM's ``--kv-cache-dtype``: ``auto``, or ``fp8`` and its variants.
        pipeline_parallel: nodes that share the layers (``spec.placement.nodesPerReplica``).
        adapters: LoRA adapters to make room for, ``None`` for none.
        quantization: ``--quantization``, which may quantize 16-bit weights while they load.
        block_tokens: ``--block-size``; ``None`` for the engine's choice.
        asynchronous: the engine prepares a step while another runs (its default).
        prefix_caching: it keeps the cache of prompts for others (its default).
        grouped_cache: it gives layers with a window less (its default).
        state_dtype: ``--mamba-ssm-cache-dtype``; ``auto`` for the model's own.
    """

    context_length_tokens: int | None = None
    concurrency: int = 8
    tensor_parallel: int | None = None
    max_batched_tokens: int = 8192
    max_sequences: int = 256
    kv_cache_dtype: str = "auto"
    pipeline_parallel: int = 1
    adapters: AdapterLimits | None = None
    quantization: str = ""
    block_tokens: int | None = None
    asynchronous: bool = True
    prefix_caching: bool = True
    grouped_cache: bool = True
    state_dtype: str = "auto"


@dataclass(frozen=True, slots=True)
class MemoryBreakdown:
    """What one replica takes of each of its GPUs, in bytes.

    >>> MemoryBreakdown(10, 5, 2, 1).total_bytes_per_gpu
    18
    """

    weights_bytes: int
    kv_cache_bytes: int
    activation_bytes: int
    overhead_bytes: int

    @property
    def total_bytes_per_gpu(self) -> int:
        """The sum, to be compared with memory x usable fraction."""
        return (
            self.weights_bytes + self.kv_cache_bytes + self.activation_bytes + self.overhead_bytes
        )
