"""Verifiers: who checks an answer before it counts, beside its tokens' probabilities."""

from tierwise_router.verifiers.run import Verified, heard, verify

__all__ = ["Verified", "heard", "verify"]
