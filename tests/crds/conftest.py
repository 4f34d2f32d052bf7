from collections.abc import Iterator
from typing import Any

import pytest
from apiserver import ApiServer
from manifests import MODELS, manifest


@pytest.fixture
def stored(api_server: ApiServer) -> Iterator[dict[str, dict[str, Any]]]:
    """One object of every kind, by kind."""
    bodies = {kind: manifest(kind) for kind in MODELS}
    for body in bodies.values():
        assert api_server.create(body).accepted
    yield bodies
    for body in bodies.values():
        assert api_server.delete(body).accepted
