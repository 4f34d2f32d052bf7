from collections.abc import Iterator

import pytest
from apiserver import api_server
from fakerouter import FakeRouter, fake_router

__all__ = ["api_server", "router"]


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    with fake_router() as running:
        yield running
