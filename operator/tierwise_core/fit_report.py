"""The answer of ``tierwise size``: what a model needs, where it fits and where not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Fit", "FitReport", "Misfit"]


@dataclass(frozen=True, slots=True)
class Fit:
    """One way to run a replica on a tier: the smallest tensor parallel that holds the demand.

    Attributes:
        tier: the tier's name.
        gpus: GPUs of one replica, over all its nodes.
        tensor_parallel: over how many GPUs of a node each layer is cut.
        usd_per_hour: all GPUs of the replica.
        headroom_bytes: usable memory of one GPU less what the demand needs of it.
        max_context: the longest context at the demanded concurrency, in tokens.
        max_concurrency: how many sequences of the demanded context are served at once; never more
            than the engine batches (``--max-num-seqs``).
    """

    tier: str
    gpus: int
    tensor_parallel: int
    usd_per_hour: float
    headroom_bytes: int
    max_context: int
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A tier that cannot run the model, and why, in numbers."""

    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class FitReport:
    """What a model needs and where it fits.

    Attributes:
        weights_bytes: the whole model's weights.
        kv_bytes_per_token: the cache of one more token of a long sequence, over the whole model.
        kv_bytes: the cache of the demanded sequences, over the whole model on one GPU.
        activation_bytes: working memory of each GPU.
        overhead_bytes: CUDA context, graphs, buffers of each GPU.
        total_bytes_per_gpu: what each GPU must offer, at the tensor parallel of the first fit, else
            at the smallest that the model allows; the assumptions say which.
        fits: the tiers that hold it, cheapest first.
        rejected: the others, by name.
        assumptions: what the figures rest on besides facts, one sentence each.
    """

    weights_bytes: int
    kv_bytes_per_token: int
    kv_bytes: int
    activation_bytes: int
    overhead_bytes: int
    total_bytes_per_gpu: int
    fits: tuple[Fit, ...] = ()
    rejected: tuple[Misfit, ...] = ()
    assumptions: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain lists and dicts, for ``--output json``.

        >>> report = FitReport(1, 2, 3, 4, 5, 13, rejected=(Misfit("t4", "too small"),))
        >>> report.as_json()["rejected"]
        [{'tier': 't4', 'reason': 'too small'}]
        """
        plain = asdict(self)
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()
        }
