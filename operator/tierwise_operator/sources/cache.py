"""What was read once is not read again while it is the same."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from tierwise_operator.sources.model_files import ModelFiles

__all__ = ["MetadataCache"]

DEFAULT_CAPACITY: Final = 512


class MetadataCache:
    """A bounded memory of model files; what was not asked for longest goes first.

    A key names the content, not only the place: a Hub repository at a commit, or a directory whose
    files have certain sizes and times. So an entry is never stale, it is only no longer asked for.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._entries: dict[Hashable, ModelFiles] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> ModelFiles | None:
        """What is kept under the key."""
        found = self._entries.pop(key, None)
        if found is not None:
            self._entries[key] = found
        return found

    def put(self, key: Hashable, files: ModelFiles) -> None:
        """Keep it, at the price of the entry that was not asked for longest."""
        self._entries.pop(key, None)
        self._entries[key] = files
        while len(self._entries) > self._capacity:
            del self._entries[next(iter(self._entries))]
