"""RouterPolicy, section batch: how batch work shares the fleet."""

from __future__ import annotations

from pydantic import Field

from tierwise_api.base import Spec
from tierwise_api.common import Duration, Quantity
from tierwise_core.policy_batch import BatchPolicy
from tierwise_core.quantities import parse_duration, parse_quantity

__all__ = ["BatchSpec"]


class BatchSpec(Spec):
    """How batch and background work shares the fleet with people who wait."""

    concurrency: int = Field(
        default=8,
        ge=1,
        le=1024,
        description="Lines that one dispatcher has under way at a time, over all its batches.",
        examples=[8],
    )
    max_attempts: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="How often a line is tried that is refused for want of room (429, 502, 503, "
        "504) before it counts as failed.",
    )
    first_retry_after: Duration = Field(
        default="1s", description="The first wait of a refused line; it doubles each time."
    )
    longest_retry_after: Duration = Field(
        default="60s", description="The longest wait of a refused line."
    )
    max_requests: int = Field(
        default=50_000, ge=1, le=10_000_000, description="The most lines one batch may have."
    )
    max_file_size: Quantity = Field(
        default="200Mi", description="The largest file that may be uploaded."
    )
    max_storage: Quantity = Field(
        default="4Gi",
        description="What all files together may take; keep it below the size of the volume.",
    )
    longest_window: Duration = Field(
        default="168h", description="The longest completion window a batch may ask for."
    )
    results_kept: Duration = Field(
        default="24h", description="How long the answer of a background request can be fetched."
    )
    files_kept: Duration = Field(
        default="720h", description="How long files and finished batches stay."
    )

    def to_core(self) -> BatchPolicy:
        """The section as the router's core reads it."""
        return BatchPolicy(
            concurrency=self.concurrency,
            max_attempts=self.max_attempts,
            first_retry_s=parse_duration(self.first_retry_after),
            longest_retry_s=parse_duration(self.longest_retry_after),
            max_requests=self.max_requests,
            max_file_bytes=parse_quantity(self.max_file_size),
            max_storage_bytes=parse_quantity(self.max_storage),
            longest_window_s=parse_duration(self.longest_window),
            results_kept_s=parse_duration(self.results_kept),
            files_kept_s=parse_duration(self.files_kept),
        )
