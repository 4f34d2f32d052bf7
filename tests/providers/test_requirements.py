"""Standards and regions that requests ask for, and models that have ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from dispatchers import Running, general
from fake_engine import FakeEngine, Script, answers

from tierwise_core.provider import ProviderTerms
from tierwise_core.route_table import Route

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
QUESTION = "what is the capital of France"


def today() -> date:
    return datetime.now(tz=UTC).date()


def provider(name: str, url: str, ends_in_days: int = 400) -> Route:
    terms = ProviderTerms(deprecation_date=today() + timedelta(days=ends_in_days))
    return general(name, url, external=True, tier="", provider=terms)


async def ask(router: Running, model: str = "auto", **headers: str) -> tuple[int, str]:
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}]}
    named = {f"x-tierwise-{name}": value for name, value in headers.items()}
    told = await router.client.post("/v1/chat/completions", json=body, headers=named)
    return told.status_code, told.headers.get("x-tierwise-specialist", told.text)


@pytest.fixture
async def two(engine: Engine, run: Run) -> Running:
    """A cheap one that lists nothing, and a dear one that lists much."""
    plain = general("plain", (await engine(answers("a"))).url)
    listed = provider("listed", (await engine(answers("b"))).url)
    listed = replace(listed, compliance=("SOC2", "HIPAA"), region="eu-central-1")
    return await run(plain, listed)


async def test_who_does_not_list_the_standards_is_not_asked(two: Running) -> None:
    assert await ask(two, compliance="hipaa, soc2") == (200, "demo/listed")


async def test_a_region_means_every_region_in_it(two: Running) -> None:
    assert await ask(two, region="us,eu") == (200, "demo/listed")


async def test_nobody_who_lists_them_is_a_refusal_with_the_reason(two: Running) -> None:
    status, text = await ask(two, compliance="fedramp")

    assert status == 422
    assert "it does not list fedramp" in text


async def test_by_name_too(two: Running) -> None:
    status, text = await ask(two, model="plain", compliance="soc2")

    assert status == 403
    assert "requirements_unmet" in text
    assert await ask(two, model="listed", compliance="soc2") == (200, "demo/listed")


async def test_a_model_that_has_ended_is_passed_over_and_answers_by_name(
    engine: Engine, run: Run
) -> None:
    ended = provider("ended", (await engine(answers("a"))).url, ends_in_days=0)
    other = general("other", (await engine(answers("b"))).url)
    router = await run(ended, other)

    assert await ask(router) == (200, "demo/other")
    assert await ask(router, model="ended") == (200, "demo/ended")


async def test_the_days_that_are_left_are_a_metric(engine: Engine, run: Run) -> None:
    began = today()
    router = await run(provider("large", (await engine(answers("a"))).url, ends_in_days=12))

    metrics = (await router.client.get("/metrics")).text

    left = 12 - (today() - began).days  # a day may have ended meanwhile
    assert f'tierwise_router_provider_days_left{{specialist="demo/large"}} {left}.0' in metrics
