"""The error tree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tierwise_core import errors
from tierwise_core.errors import SourceError, SourceUnreadableError, TierwiseError


def tree(root: type[TierwiseError]) -> Iterator[type[TierwiseError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_every_error_is_exported_and_drawn() -> None:
    names = {error.__name__ for error in tree(TierwiseError)}
    assert names == set(errors.__all__)
    assert all(name in str(errors.__doc__) for name in names)


def test_every_reason_is_a_condition_s() -> None:
    for error in tree(TierwiseError):
        assert re.fullmatch(r"([A-Z][a-z]+)+", error.reason)


def test_an_instance_can_say_that_it_is_worth_a_retry() -> None:
    assert SourceUnreadableError("503", retryable=True).retryable
    assert not SourceUnreadableError("damaged").retryable
    assert isinstance(SourceUnreadableError("damaged"), SourceError)
