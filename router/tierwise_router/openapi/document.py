"""The whole document, put together from what every part of the router says of its paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

from tierwise_router.openapi import completions, decisions, service, surface, work
from tierwise_router.openapi.operation import Operation
from tierwise_router.openapi.parts import COMPONENTS

__all__ = ["DOCUMENT", "OPERATIONS", "document"]

# A part that serves paths adds its module here: OPERATIONS, and the SCHEMAS they refer to.
PARTS: Final = (completions, surface, work, decisions, service)

OPERATIONS: Final[tuple[Operation, ...]] = tuple(one for part in PARTS for one in part.OPERATIONS)

INFO: Final = {
    "title": "tierwise router",
    "version": "v1alpha1",
    "summary": "OpenAI's API in front of a graph of specialist models",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "description": (
        "Every answer, errors included, has the headers `x-request-id` and, once something was "
        "decided, `x-tierwise-*`. GET paths answer HEAD as well."
    ),
}


def document() -> dict[str, Any]:
    """Write the OpenAPI 3.1 document of this router.

    >>> document()["openapi"], "/v1/chat/completions" in document()["paths"]
    ('3.1.0', True)
    """
    schemas = {name: schema for part in PARTS for name, schema in part.SCHEMAS.items()}
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "paths": {path: dict(_methods(path)) for path in dict.fromkeys(_paths())},
        "components": {**COMPONENTS, "schemas": {**COMPONENTS["schemas"], **schemas}},
        "security": [{}, {"apiKey": []}],
    }


def _paths() -> Iterator[str]:
    return (one.path for one in OPERATIONS)


def _methods(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((one.method, one.written()) for one in OPERATIONS if one.path == path)


DOCUMENT: Final = orjson.dumps(document())
"""The document as bytes, made once for all requests."""
