from collections.abc import Iterator

import pytest
from fakerouter import FakeRouter, fake_router


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    with fake_router() as running:
        yield running
