"""Fetching a model's files to this machine, and the cache that pods of a node share."""

from __future__ import annotations

from tierwise_operator.weights.errors import CacheFullError, CorruptError, FetchError
from tierwise_operator.weights.fetch import Fetched, Wish, fetch

__all__ = ["CacheFullError", "CorruptError", "FetchError", "Fetched", "Wish", "fetch"]
