"""Numbers that no model and no request can have, and overrides that the files contradict."""

from __future__ import annotations

from typing import Final

from tierwise_core.errors import InvalidSizeError
from tierwise_core.model_metadata import Demand, ModelMetadata, SizeOverrides

__all__ = ["check_against_files", "check_numbers"]

# How far an override may be from what the files say. What an engine makes of the files while it
# loads them lies between: 32 bit become 4 bit at the one end, 4 bit become 16 bit at the other.
LEAST_WEIGHTS, MOST_WEIGHTS = 1 / 8, 4.0
LEAST_PARAMETERS, MOST_PARAMETERS = 1 / 2, 2.0
# Windows keep less of a sequence, a narrow cache keeps it in less; padding and copies in more.
LEAST_KV, MOST_KV = 1 / 16, 4.0
GIB: Final = 2**30


def check_numbers(overrides: SizeOverrides, demand: Demand) -> None:
    """Nothing, if every number is one that a model or a request can have.

    Raises:
        InvalidSizeError: one is not; the message names it and what would be possible.
    """
    at_least_zero = {
        "spec.model.size.activation": overrides.activation_bytes,
        "spec.model.size.overhead": overrides.overhead_bytes,
        "spec.model.size.kvBytesPerToken": overrides.kv_bytes_per_token,
    }
    at_least_one = {
        "spec.model.size.weights": overrides.weights_bytes,
        "spec.model.size.parameters": overrides.parameters,
        "spec.model.maxModelLen": demand.context_length_tokens,
        "spec.placement.targetConcurrency": demand.concurrency,
        "spec.placement.nodesPerReplica": demand.pipeline_parallel,
        "max-num-batched-tokens": demand.max_batched_tokens,
        "max-num-seqs": demand.max_sequences,
        "block-size": demand.block_tokens,
    }
    for least, numbers in ((0, at_least_zero), (1, at_least_one)):
        for field, value in numbers.items():
            if value is not None and value < least:
                raise InvalidSizeError(f"{field}: {value} is too small; give {least} or more")


def check_against_files(metadata: ModelMetadata, overrides: SizeOverrides) -> None:
    """Nothing, if the overrides can be true of the files.

    Weights may be an eighth of the files' to four times as large, parameters half to twice as many,
    the cache of a token a sixteenth to four times what the config says.

    Raises:
        InvalidSizeError: one cannot; the message names the field, the value and what the files say.

    >>> files = ModelMetadata("LlamaForCausalLM", 16 * GIB, 8 * 10**9, 32, 8, 32, 128, 4096, 128256,
    ...     131072, 2, "bfloat16", 131072)
    >>> check_against_files(files, SizeOverrides(weights_bytes=8 * GIB))
    >>> check_against_files(files, SizeOverrides(weights_bytes=GIB))
    Traceback (most recent call last):
    ...
    tierwise_core.errors.InvalidSizeError: spec.model.size.weights: 1073741824 contradicts the \
files, which hold 17179869184; leave it out, or give 2147483648 to 68719476736
    """
    for field, given, stated, least, most in (
        (
            "weights",
            overrides.weights_bytes,
            metadata.weights_bytes,
            LEAST_WEIGHTS,
            MOST_WEIGHTS,
        ),
        (
            "parameters",
            overrides.parameters,
            metadata.parameters,
            LEAST_PARAMETERS,
            MOST_PARAMETERS,
        ),
        (
            "kvBytesPerToken",
            overrides.kv_bytes_per_token,
            metadata.kv_bytes_per_token if metadata.caches else 0,
            LEAST_KV,
            MOST_KV,
        ),
    ):
        if given is None or not stated or least * stated <= given <= most * stated:
            continue
        raise InvalidSizeError(
            f"spec.model.size.{field}: {given} contradicts the files, which "
            f"{'say' if field == 'kvBytesPerToken' else 'hold'} {stated}; leave it out, or give "
            f"{round(least * stated)} to {round(most * stated)}"
        )
