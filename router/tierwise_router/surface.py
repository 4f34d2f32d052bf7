"""The paths at which models answer: what vLLM serves, and what providers serve beside it.

Administration is not among them: loading adapters, sleeping, resetting caches and the like are the
operator's business, and no client's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tierwise_core.route_table import RouteTable
from tierwise_core.served_tasks import Task
from tierwise_router.call import CHAT, COMPLETIONS, RESPONSES
from tierwise_router.errors import RequestError

__all__ = ["AT_ROOT", "PATHS", "TASKS", "UPLOADS", "name_needed", "upstream_path"]

EMBEDDINGS: Final = "/embeddings"
RERANK: Final = "/rerank"
SCORE: Final = "/score"

PATHS: Final[Mapping[str, str]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/rerank": RERANK,
    "/v2/rerank": RERANK,
    "/rerank": RERANK,
    "/v1/score": SCORE,
    "/score": SCORE,
    "/v1/moderations": "/moderations",
    "/v1/messages": "/messages",
    "/v1/messages/count_tokens": "/messages/count_tokens",
    "/v1/audio/transcriptions": "/audio/transcriptions",
    "/v1/audio/translations": "/audio/translations",
    "/v1/audio/speech": "/audio/speech",
    "/v1/images/generations": "/images/generations",
    "/v1/chat/completions/render": "/chat/completions/render",
    "/v1/completions/render": "/completions/render",
    "/v2/embed": "/v2/embed",
    "/pooling": "/pooling",
    "/classify": "/classify",
    "/tokenize": "/tokenize",
    "/detokenize": "/detokenize",
    "/generative_scoring": "/generative_scoring",
    "/inference/v1/generate": "/inference/v1/generate",
}
"""Every path, and the endpoint it means: a path behind a base URL such as ``.../v1``."""

UPLOADS: Final = frozenset({"/audio/transcriptions", "/audio/translations"})
"""Endpoints that take multipart/form-data."""

AT_ROOT: Final = frozenset(
    {
        "/v2/embed", "/pooling", "/classify", "/tokenize", "/detokenize", "/generative_scoring",
        "/inference/v1/generate",
    }
)  # fmt: skip
"""Endpoints that vLLM serves beside ``/v1`` and not in it."""

TASKS: Final[Mapping[str, Task]] = {
    EMBEDDINGS: "embed",
    "/v2/embed": "embed",
    RERANK: "score",
    SCORE: "score",
    "/pooling": "embed",
    "/classify": "classify",
    "/audio/transcriptions": "transcribe",
    "/audio/translations": "transcribe",
}
"""What a model must be able to do at an endpoint; generate at those that are not named."""


WHY: Final[Mapping[Task, str]] = {
    "generate": f" at this endpoint: it can at {CHAT}, {COMPLETIONS} and {RESPONSES}",
    "embed": ": vectors of different models do not mix",
    "score": ": scores of different models do not compare",
    "classify": ": every model has classes of its own",
    "transcribe": ": nothing is known of a recording before somebody has heard it",
}
NAMES_SHOWN: Final = 12


def upstream_path(endpoint: str) -> str:
    """Give the path to ask an upstream for; two slashes mean its root (see ``Target.head``).

    >>> upstream_path("/embeddings"), upstream_path("/tokenize")
    ('/embeddings', '//tokenize')
    """
    return f"/{endpoint}" if endpoint in AT_ROOT else endpoint


def name_needed(endpoint: str, table: RouteTable) -> RequestError:
    """Say that ``auto`` cannot choose here, why, and who may be named instead.

    >>> from tierwise_core.route_table import Route
    >>> bge = Route("demo", "bge", "general", "bge", tasks=("embed", "score"))
    >>> str(name_needed("/embeddings", RouteTable.of([bge])))
    "model 'auto' cannot be asked to embed: vectors of different models do not mix; name one: bge"
    """
    task = TASKS.get(endpoint, "generate")
    known = [route for route in table.routes.values() if task in route.tasks]
    candidates = known or [route for route in table.routes.values() if not route.tasks]
    names = [
        route.name if len(table.by_name[route.name]) == 1 else route.key for route in candidates
    ]
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    remedy = (
        f"name one: {', '.join(names[:NAMES_SHOWN])}{more}"
        if names
        else "and no Specialist is known that can; apply one"
    )
    return RequestError(
        f"model 'auto' cannot be asked to {task}{WHY[task]}; {remedy}",
        param="model",
        code="auto_not_served",
    )
