"""What a tier's own loads teach about the estimate: how far it was off, and the correction.

A pod that has loaded knows what it took. The difference to what was predicted belongs to the tier
(its driver, its GPU's context, the engine's version), so it is learned per tier from all pods that
loaded there, and added to the next prediction.

Robust by construction: medians, so that one odd pod moves nothing; shrunk while there are few
samples; bounded, so that a wrong measurement can never make a model fit that does not, by more than
the bound, nor rule a tier out for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from tierwise_core.model_metadata import MemoryBreakdown

__all__ = ["NO_CORRECTION", "Correction", "LoadSample", "corrected", "learn"]

MIB: Final = 2**20
LEAST_WEIGHTS_FACTOR, MOST_WEIGHTS_FACTOR = 0.9, 1.25
LEAST_OVERHEAD_BYTES, MOST_OVERHEAD_BYTES = -512 * MIB, 4096 * MIB
HALF_TRUSTED_SAMPLES: Final = 1
"""With this many samples a correction counts half; with n it counts n / (n + this)."""


@dataclass(frozen=True, slots=True)
class LoadSample:
    """One pod that has loaded: what was predicted of each GPU, uncorrected, and what it took.

    Attributes:
        predicted: the estimate without a correction.
        measured_bytes: what the engine took of each GPU besides its KV cache: its share of the
            memory (``--gpu-memory-utilization``) less the cache it made.
        measured_weights_bytes: the weights alone, where the engine says so.
    """

    predicted: MemoryBreakdown
    measured_bytes: int
    measured_weights_bytes: int | None = None

    @property
    def predicted_bytes(self) -> int:
        """The estimate of the same: everything but the cache.

        >>> LoadSample(MemoryBreakdown(10, 5, 2, 1), 14).predicted_bytes
        13
        """
        return self.predicted.total_bytes_per_gpu - self.predicted.kv_cache_bytes


@dataclass(frozen=True, slots=True)
class Correction:
    """What to change about an estimate on one tier.

    Attributes:
        samples: from how many loads it was learned; 0 corrects nothing.
        weights_factor: multiplies the weights.
        overhead_bytes: added to the overhead of each GPU; may be negative.
        error_percent: the median error of the uncorrected estimate; positive if it was too high.
    """

    samples: int = 0
    weights_factor: float = 1.0
    overhead_bytes: int = 0
    error_percent: float = 0.0


NO_CORRECTION: Final = Correction()


def learn(samples: Sequence[LoadSample]) -> Correction:
    """The correction that a tier's loads call for.

    Five pods took 300 MiB more than predicted. With five samples the difference counts 5/6:

    >>> predicted = MemoryBreakdown(16 * 2**30, 8 * 2**30, 2**30, 2**30)
    >>> seen = [LoadSample(predicted, 18 * 2**30 + 300 * MIB)] * 5
    >>> learned = learn(seen)
    >>> learned.samples, learned.weights_factor, learned.overhead_bytes // MIB
    (5, 1.0, 250)
    >>> round(learned.error_percent, 1)
    -1.6

    One wild measurement among them moves nothing:

    >>> learn([*seen[:4], LoadSample(predicted, 60 * 2**30)]) == learned
    True
    """
    usable = [sample for sample in samples if sample.measured_bytes > 0]
    if not usable:
        return NO_CORRECTION
    trust = len(usable) / (len(usable) + HALF_TRUSTED_SAMPLES)
    factor = 1 + trust * (_weights_factor(usable) - 1)
    beyond = median(
        sample.measured_bytes
        - sample.predicted_bytes
        - (factor - 1) * sample.predicted.weights_bytes
        for sample in usable
    )
    errors = [(s.predicted_bytes - s.measured_bytes) / s.measured_bytes * 100 for s in usable]
    return Correction(
        samples=len(usable),
        weights_factor=factor,
        overhead_bytes=round(
            min(max(trust * beyond, LEAST_OVERHEAD_BYTES), MOST_OVERHEAD_BYTES),
        ),
        error_percent=median(errors),
    )


def _weights_factor(samples: Sequence[LoadSample]) -> float:
    """Measured over predicted weights; 1 where no engine said what its weights took."""
    ratios = [
        sample.measured_weights_bytes / sample.predicted.weights_bytes
        for sample in samples
        if sample.measured_weights_bytes and sample.predicted.weights_bytes
    ]
    return min(max(median(ratios), LEAST_WEIGHTS_FACTOR), MOST_WEIGHTS_FACTOR) if ratios else 1.0


def corrected(need: MemoryBreakdown, correction: Correction) -> MemoryBreakdown:
    """An estimate with a tier's correction applied; never below nothing.

    >>> corrected(MemoryBreakdown(100, 50, 20, 10), Correction(3, 1.1, -4, 0.0))
    MemoryBreakdown(weights_bytes=110, kv_cache_bytes=50, activation_bytes=20, overhead_bytes=6)
    """
    return replace(
        need,
        weights_bytes=round(need.weights_bytes * correction.weights_factor),
        overhead_bytes=max(0, need.overhead_bytes + correction.overhead_bytes),
    )
