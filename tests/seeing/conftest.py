"""A ledger with a day in it, and one Chromium for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chromium import Browser, chromium
from databases import database_url, postgres, store
from seen_ledger import fill, fill_once, served

__all__ = ["database_url", "postgres", "store"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ledger with a day in it."""
    yield from served(tmp_path_factory.mktemp("full"), fill)


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="session")
def brief_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ledger that knows of one hour."""
    yield from served(tmp_path_factory.mktemp("brief"), fill_once)
