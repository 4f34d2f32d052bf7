"""The bounded memory of what was read."""

from __future__ import annotations

from tierwise_operator.sources.cache import MetadataCache
from tierwise_operator.sources.model_files import ModelFiles


def files(name: str) -> ModelFiles:
    return ModelFiles({"name": name}, None)


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = MetadataCache(capacity=2)
    cache.put("a", files("a"))
    cache.put("b", files("b"))
    assert cache.get("a") == files("a")
    cache.put("c", files("c"))
    assert cache.get("b") is None
    assert (cache.get("a"), cache.get("c"), len(cache)) == (files("a"), files("c"), 2)


def test_a_key_kept_twice_is_one_entry() -> None:
    cache = MetadataCache(capacity=2)
    cache.put("a", files("old"))
    cache.put("a", files("new"))
    assert (cache.get("a"), len(cache)) == (files("new"), 1)
