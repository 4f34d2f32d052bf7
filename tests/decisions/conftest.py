"""Routers that write down what they decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from dispatchers import TIERS, Running
from running_routers import engine, run

from tierwise_core.policy_decision import DecisionPolicy
from tierwise_core.route_table import Route, RouteTable
from tierwise_core.router_policy import RouterPolicy
from tierwise_router.brain import Brain
from tierwise_router.journal import Journal

__all__ = ["engine", "recording", "run"]


@pytest.fixture
def recording(
    run: Callable[..., Awaitable[Running]], tmp_path: Path
) -> Callable[..., Awaitable[Running]]:
    """Start a router with a journal, and with a policy's decision section if one is given."""

    async def start(*routes: Route, policy: DecisionPolicy | None = None) -> Running:
        running = await run(*routes)
        dispatcher = running.dispatcher
        decision = policy or DecisionPolicy()
        table = RouteTable.of(routes, TIERS, RouterPolicy(decision=decision))
        dispatcher.take(Brain.build(table))
        dispatcher.journal = Journal(tmp_path / "journal", dispatcher.ids.process, 64 * 1024 * 1024)
        return running

    return start
