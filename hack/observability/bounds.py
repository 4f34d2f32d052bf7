"""How many values each label can take: a metric whose labels nobody bounds is not let in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["BOUNDS"]

BOUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "by": "2: `specialist`, `tier`",
        "direction": "2: `up`, `down`",
        "endpoint": "the paths that are served, about 20; anything else is not counted",
        "from": "Specialists",
        "job": "the ledger's jobs, about 10",
        "kind": "kinds of resources; or 3 of failures (`died`, ...), and `status-` with a status",
        "latency_class": "4: `realtime`, `async`, `batch`, `background`",
        "mark": "2: `measured`, `estimated`",
        "model": "3: `auto`, `named`, empty; never what a client wrote",
        "name": "Specialists or tiers, as `by` says",
        "outcome": "a handful of words, named with the metric",
        "path": "the ledger's routes as they are written, about 40, and `(other)`",
        "phase": "phases of a Specialist, about 8",
        "reason": "a handful of words",
        "shadow": "shadows of the RouterPolicy, rollouts",
        "side": "2: `blue`, `green`",
        "source": "3: `feedback`, `verifier`, `gate`",
        "specialist": "Specialists (with their adapters); empty where nobody was asked",
        "stage": "stages of a Rollout, 13",
        "state": "a handful of words: of a breaker 3, of GPUs 3",
        "status": "HTTP statuses that occur, about 20",
        "tenant": "Tenants; empty without any",
        "tier": "GPUTiers",
        "to": "Specialists",
        "verb": "verbs of the API server",
        "version": "1 at a time: the route table's hash",
    }
)
