"""Reading what a model says about itself: config and safetensors headers, never the weights."""

from __future__ import annotations

from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.read import read_metadata

__all__ = ["Credentials", "MetadataCache", "read_metadata"]
