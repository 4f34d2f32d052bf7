"""One endpoint as one dispatcher knows it."""

from __future__ import annotations

from tierwise_core.breaker import Breaker
from tierwise_core.outliers import EndpointSample
from tierwise_router.engine_load import EngineLoad
from tierwise_router.upstream.target import Target

__all__ = ["EndpointLoad"]


class EndpointLoad:
    """One endpoint and what this dispatcher knows of it.

    ``in_flight`` counts our own requests there, ``failures`` those that failed in a row and
    ``failed_for`` who sent the last of them. ``sample`` is what it did since it was last compared
    with its siblings, and ``engine`` what it told of itself. Until ``shut_until`` a provider wants
    to be left alone. ``prefixes`` are prompts' beginnings that it has read, where pods are scored.
    """

    __slots__ = (
        "breaker", "engine", "failed_for", "failures", "in_flight", "prefixes", "sample",
        "shut_until", "target",
    )  # fmt: skip

    def __init__(self, target: Target) -> None:
        self.target = target
        self.in_flight = 0
        self.failures = 0
        self.failed_for = ""
        self.breaker = Breaker()
        self.sample = EndpointSample()
        self.engine = EngineLoad()
        self.shut_until = 0.0
        self.prefixes: dict[bytes, None] = {}
