"""Observations of one kind by key, with the version that was seen, and grouped by owner."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Shelf(Generic[T]):
    """Where the store keeps one kind of object; ``group`` names what an observation belongs to."""

    def __init__(self, group: Callable[[T], str] | None = None) -> None:
        self._group = group
        self._items: dict[str, T] = {}
        self._versions: dict[str, str] = {}
        self._groups: dict[str, dict[str, T]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._items))

    def get(self, key: str) -> T | None:
        """Return the object of that key, or None."""
        return self._items.get(key)

    def all(self) -> tuple[T, ...]:
        """Return all objects."""
        return tuple(self._items.values())

    def of(self, group: str) -> tuple[T, ...]:
        """Return the objects of a group."""
        return tuple(self._groups.get(group, {}).values())

    def has_seen(self, key: str, version: str) -> bool:
        """Say whether this version or a newer one is on the shelf.

        Versions of one object grow; the answer to our own write may overtake the watch's older
        events, which must not turn the picture back.
        """
        seen = self._versions.get(key, "")
        if seen.isdecimal() and version.isdecimal():
            return int(version) <= int(seen)
        return bool(version) and version == seen

    def put(self, key: str, item: T, version: str) -> T | None:
        """Keep an object and return what was there before."""
        before = self._items.get(key)
        if before is not None:
            self._ungroup(key, before)
        self._items[key] = item
        self._versions[key] = version
        if self._group is not None:
            self._groups.setdefault(self._group(item), {})[key] = item
        return before

    def drop(self, key: str) -> T | None:
        """Remove an object and return it."""
        self._versions.pop(key, None)
        before = self._items.pop(key, None)
        if before is not None:
            self._ungroup(key, before)
        return before

    def _ungroup(self, key: str, item: T) -> None:
        if self._group is None:
            return
        name = self._group(item)
        members = self._groups.get(name, {})
        members.pop(key, None)
        if not members:
            self._groups.pop(name, None)
