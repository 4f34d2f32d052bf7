"""``GPUTier.status.correction``: what is learned of a tier, in wire form and back; kept calm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tierwise_core.correction import Correction

__all__ = ["correction_status", "kept", "published_correction"]

NOTABLE_BYTES: Final = 64 * 2**20
NOTABLE_FACTOR: Final = 0.01


def kept(known: Correction, learned: Correction) -> Correction:
    """Return the correction to use: the known one, unless the new one differs notably.

    Each change is written to the tier and changes the memory of every model there; a few megabytes
    more or less are not worth that.

    >>> first = Correction(1, 1.0, 100 * 2**20, -1.0)
    >>> kept(first, Correction(2, 1.0, 130 * 2**20, -1.2)) is first
    True
    >>> kept(first, Correction(2, 1.0, 200 * 2**20, -2.0)).samples
    2
    """
    same = (
        known.samples > 0
        and abs(known.overhead_bytes - learned.overhead_bytes) <= NOTABLE_BYTES
        and abs(known.weights_factor - learned.weights_factor) <= NOTABLE_FACTOR
    )
    return known if same else learned


def correction_status(correction: Correction) -> dict[str, Any] | None:
    """Return a correction in wire form; None for one that corrects nothing."""
    if not correction.samples:
        return None
    return {
        "samples": correction.samples,
        "weightsFactor": round(correction.weights_factor, 4),
        "overheadBytes": correction.overhead_bytes,
        "errorPercent": round(correction.error_percent, 2),
    }


def published_correction(status: Mapping[str, Any]) -> Correction | None:
    """Return the correction that a tier's status has, or None.

    >>> published_correction({"correction": {"samples": 2, "overheadBytes": 512}})
    Correction(samples=2, weights_factor=1.0, overhead_bytes=512, error_percent=0.0)
    """
    told = status.get("correction") or {}
    if not told.get("samples"):
        return None
    return Correction(
        samples=int(told["samples"]),
        weights_factor=float(told.get("weightsFactor", 1.0)),
        overhead_bytes=int(told.get("overheadBytes", 0)),
        error_percent=float(told.get("errorPercent", 0.0)),
    )
