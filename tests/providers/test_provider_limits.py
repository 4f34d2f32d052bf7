"""Requests to a provider stay below its limits, and go elsewhere when it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, Turn, answers, dies, refuses
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.provider import ProviderTerms
from tierwise_core.rate_limit import Bucket
from tierwise_core.route_table import Price, Route
from tierwise_router.settings import Settings

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]
ALONE = Settings(dispatchers=1)


def provider(name: str, *urls: str, **terms: int) -> Route:
    price = Price(0.0, 2.5e-6, 10e-6, 1.25e-6)
    fields = {"external": True, "tier": "", "provider": ProviderTerms(**terms), "price": price}
    return general(name, *urls, **fields)


async def test_what_is_above_the_rate_is_refused_with_the_time_to_return(
    engine: Engine, run: Run
) -> None:
    upstream = await engine(answers("abcd"))
    router = await run(provider("large", upstream.url, requests_per_minute=10), settings=ALONE)

    first = await router.chat("hello", model="large")
    second = await router.chat("hello", model="large")

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["error"]["code"] == "provider_limited"
    assert 3 <= int(second.headers["retry-after"]) <= 6
    assert len(upstream.requests) == 1


async def test_a_brief_excess_is_waited_for(engine: Engine, run: Run) -> None:
    upstream = await engine(answers("abcd"))
    router = await run(provider("large", upstream.url, requests_per_minute=600), settings=ALONE)

    told = await asyncio.gather(*(router.chat("hello", model="large") for _ in range(62)))

    assert {one.status_code for one in told} == {200}
    assert router.dispatcher.tally.provider["demo/large", "waited"] >= 1


async def test_the_limits_are_shared_among_all_dispatchers(engine: Engine, run: Run) -> None:
    upstream = await engine(answers("abcd"))
    many = Settings(dispatchers=2, replicas=5)
    router = await run(provider("large", upstream.url, requests_per_minute=200), settings=many)

    told = [(await router.chat("hello", model="large")).status_code for _ in range(3)]

    assert told == [200, 200, 429]  # 20 a minute: two at once


async def test_tokens_count_too(engine: Engine, run: Run) -> None:
    upstream = await engine(answers("abcd"))
    router = await run(provider("large", upstream.url, tokens_per_minute=1000), settings=ALONE)

    first = await router.chat("hello", model="large", max_tokens=900)
    second = await router.chat("hello", model="large", max_tokens=900)

    assert (first.status_code, second.status_code) == (200, 429)


async def test_no_more_at_a_time_than_the_provider_takes(engine: Engine, run: Run) -> None:
    most = 0
    now = 0
    full = asyncio.Event()

    async def script(turn: Turn) -> None:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 2:
            full.set()
        await full.wait()
        now -= 1
        await answers("abcd")(turn)

    upstream = await engine(script)
    router = await run(provider("large", upstream.url, max_concurrency=2), settings=ALONE)

    told = await asyncio.gather(*(router.chat("hello", model="large") for _ in range(9)))

    assert {one.status_code for one in told} == {200}
    assert most == 2


async def test_a_refusal_goes_to_the_next_address(engine: Engine, run: Run) -> None:
    busy = await engine(refuses(429, "slow down", "retry-after: 30\r\n"))
    other = await engine(answers("abcd"))
    router = await run(provider("large", busy.url, other.url), settings=ALONE)

    told = [await router.chat("hello", model="large") for _ in range(3)]

    assert {one.status_code for one in told} == {200}
    assert len(busy.requests) == 1  # it wants to be left alone for 30 s, and is


async def test_a_dead_address_is_replaced_by_the_next(engine: Engine, run: Run) -> None:
    dead, other = await engine(dies), await engine(answers("abcd"))
    router = await run(provider("large", dead.url, other.url), settings=ALONE)

    assert (await router.chat("hello", model="large")).status_code == 200


async def test_a_refusal_of_the_last_address_is_the_answer(engine: Engine, run: Run) -> None:
    busy = await engine(refuses(429, "slow down", "retry-after: 30\r\n"))
    router = await run(provider("large", busy.url), settings=ALONE)

    first = await router.chat("hello", model="large")
    second = await router.chat("hello", model="large")

    assert first.json()["error"]["message"] == "slow down"
    assert second.json()["error"]["code"] == "provider_limited"
    assert len(busy.requests) == 1


async def test_a_brief_refusal_is_tried_again(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        first = len(upstream.requests) == 1
        await (refuses(429, "slow", "retry-after-ms: 300\r\n") if first else answers("a"))(turn)

    upstream = await engine(script)
    router = await run(provider("large", upstream.url), settings=ALONE)

    assert (await router.chat("hello", model="large")).status_code == 200
    assert len(upstream.requests) == 2


async def test_what_is_left_is_learned_from_the_answers(engine: Engine, run: Run) -> None:
    async def script(turn: Turn) -> None:
        left = "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 1m0s\r\n"
        await turn.whole(200, b'{"choices": []}', extra=left)

    upstream = await engine(script)
    router = await run(provider("large", upstream.url), settings=ALONE)

    first = await router.chat("hello", model="large")
    second = await router.chat("hello", model="large")

    assert (first.status_code, second.status_code) == (200, 429)
    assert len(upstream.requests) == 1


async def test_a_cascade_passes_a_used_up_provider_over(engine: Engine, run: Run) -> None:
    limited, other = await engine(answers("a")), await engine(answers("b"))
    cheap = provider("cheap", limited.url, requests_per_minute=10)
    dear = general("dear", other.url)
    router = await run(cheap, dear, settings=ALONE)
    await router.chat("hello", model="cheap")

    told = await router.chat("what is the capital of France")

    assert told.status_code == 200
    assert told.headers["x-tierwise-specialist"] == "demo/dear"


async def test_own_pods_have_no_such_limits(engine: Engine, run: Run) -> None:
    upstream = await engine(answers("abcd"))
    router = await run(route("sorter", upstream.url), settings=ALONE)

    told = [(await router.chat("sort dbca", model="sorter")).status_code for _ in range(20)]

    assert set(told) == {200}
    assert not router.dispatcher.tally.provider


@given(
    per_minute=st.floats(6, 6000),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=200),
)
def test_no_minute_gets_more_than_its_rate_and_the_burst(
    per_minute: float, gaps: list[float]
) -> None:
    bucket, now, sent = Bucket(per_minute, 0.0), 0.0, []
    for gap in gaps:
        now += gap
        sent.append(now + bucket.take(1.0, now))

    for at in sent:
        within = sum(at <= other < at + 60 for other in sent)
        assert within <= per_minute * 1.1 + 2
