"""How many tokens a second a replica generates: an estimate for a model that nobody has run yet.

Generating is bound by memory bandwidth: each step reads every weight it uses once for all sequences
together, and each sequence's own KV cache::

    step_seconds    = (weights + sequences x context x kv_per_token) / (gpus x bandwidth x 0.6)
                      + 0.003
    tokens_a_second = sequences / step_seconds

``0.6`` is the share of the data sheet's bandwidth that engines reach while they generate, our
assumption: 0.60 on two H100 and 0.55 on four A100 are remembered from Databricks' "LLM Inference
Performance Engineering: Best Practices" (2023) and were not checked. ``0.003`` are the seconds that
scheduling and launching a step take beside that, our own assumption; it matters for small models
alone. Above 128 sequences arithmetic bounds the step on most GPUs (there an A100 or an RTX 4090 has
used up its arithmetic in 16 bit), so more do not count. Prompts are not counted, nor waiting
between GPUs. Expect to be wrong by a factor of two: a measured figure (``status.performance``)
always comes first.

Against the figures of the cost model in the design, 2,000 tokens a second for 70B on two H100 and
800 for 7B on one RTX 4090: the estimate gives them at 84 and 24 sequences at once.

>>> large = DecodeLoad(140_000_000_000, 327_680, sequences=84, gpus=2, gb_per_second=3350)
>>> round(tokens_per_second(large))
1995
>>> small = DecodeLoad(14_500_000_000, 131_072, sequences=24, gpus=1, gb_per_second=1008)
>>> round(tokens_per_second(small))
794

Those two cannot come from one sequence, as the source has it: reading 140 GB at 6.7 TB/s takes
21 ms, which bounds a single sequence to 48 tokens a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BANDWIDTH_SHARE", "MEAN_CONTEXT_TOKENS", "DecodeLoad", "tokens_per_second"]

BANDWIDTH_SHARE: Final = 0.6
MOST_SEQUENCES: Final = 128
STEP_SECONDS: Final = 0.003
MEAN_CONTEXT_TOKENS: Final = 625
"""The mean length of a sequence while the reference call of 500 + 250 tokens is generated."""

GB: Final = 1e9


@dataclass(frozen=True, slots=True)
class DecodeLoad:
    """What one replica reads in a step.

    Attributes:
        weights_bytes: weights that one step uses, over all GPUs; of experts, those that are asked.
        kv_bytes_per_token: KV cache of one token, over all GPUs.
        sequences: requests answered at once.
        gpus: GPUs of the replica; each reads its part at the same time.
        gb_per_second: memory bandwidth of one GPU, 10^9 bytes a second.
        context_tokens: mean length of a sequence.
    """

    weights_bytes: int
    kv_bytes_per_token: int
    sequences: int
    gpus: int
    gb_per_second: float
    context_tokens: int = MEAN_CONTEXT_TOKENS


def tokens_per_second(load: DecodeLoad) -> float:
    """The estimate of the module's docstring, in tokens a second over all sequences.

    One request on an RTX 4090 with a model of 14.5 GB, then eight:

    >>> alone = DecodeLoad(14_500_000_000, 131_072, sequences=1, gpus=1, gb_per_second=1008)
    >>> round(tokens_per_second(alone), 1)
    36.9
    >>> from dataclasses import replace
    >>> round(tokens_per_second(replace(alone, sequences=8)))
    285

    Raises ValueError when there is nothing to read or nothing to read with.
    """
    speed = load.gpus * load.gb_per_second * GB * BANDWIDTH_SHARE
    if speed <= 0:
        raise ValueError(f"{load.gpus} GPUs of {load.gb_per_second} GB/s read nothing")
    sequences = max(1, min(load.sequences, MOST_SEQUENCES))
    read = load.weights_bytes + sequences * load.context_tokens * load.kv_bytes_per_token
    if read <= 0:
        raise ValueError("a step that reads no bytes has no speed; give the weights")
    return sequences / (read / speed + STEP_SECONDS)
