"""A request's way is found at a collector, from the client's span down to the engine's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from dispatchers import Running, general, route
from fake_engine import FakeEngine, Script, answers, refuses
from otlp_receiver import Receiver

from tierwise_core.route_table import Price
from tierwise_router.app import App
from tierwise_router.dispatch import Dispatch
from tierwise_router.settings import Settings, SettingsError
from tierwise_router.tracing import exporting
from tierwise_router.tracing.answering import TracedApp

Engine = Callable[[Script], Awaitable[FakeEngine]]
Run = Callable[..., Awaitable[Running]]

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENTS = f"00-{TRACE}-{SPAN}-01"
SURE, UNSURE = -0.0001, -3.0
SERVER, CLIENT = 2, 3
BODY = {"model": "sorter", "messages": [{"role": "user", "content": "sort dbca"}]}
CHAT = "/v1/chat/completions"


def traced(collector: Receiver, share: float = 1.0) -> Settings:
    return Settings(otlp_endpoint=collector.url, trace_share=share)


async def sent(router: Running) -> None:
    """Have everything sent that is waiting."""
    app = router.app
    assert isinstance(app, TracedApp)
    await asyncio.to_thread(app.exporter.close)


async def test_an_escalation_is_one_trace_with_a_span_for_each_question(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    small, large = await engine(answers("abcd", UNSURE)), await engine(answers("abcd", SURE))
    router = await run(
        route("sorter", small.url, escalate_to=("demo/frontier",)),
        general("frontier", large.url),
        settings=traced(collector),
    )

    reply = await router.client.post(
        CHAT, json={**BODY, "model": "auto"}, headers={"traceparent": CLIENTS}
    )
    await sent(router)

    (request,) = collector.named(f"POST {CHAT}")
    first, second = collector.named("chat sorter") + collector.named("chat frontier")
    assert len(collector.spans) == 3
    assert collector.services == {"tierwise-router"}
    assert {span.trace for span in collector.spans} == {TRACE}
    assert (request.kind, request.parent, request.error) == (SERVER, SPAN, False)
    assert [(one.kind, one.parent) for one in (first, second)] == [(CLIENT, request.id)] * 2
    assert request.attributes["tierwise.decision"] == reply.headers["x-tierwise-decision"]
    assert request.attributes["gen_ai.request.model"] == "auto"
    assert request.attributes["gen_ai.response.model"] == "frontier"
    assert request.attributes["tierwise.field"] == "sorting"
    assert first.attributes["gen_ai.provider.name"] == "vllm"
    assert first.attributes["tierwise.confidence.answer"] < 0.85
    assert second.attributes["gen_ai.usage.output_tokens"] == 3
    assert 0 < second.seconds <= request.seconds


async def test_the_engine_is_told_in_which_span_it_is_asked(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=traced(collector))

    await router.client.post(CHAT, json=BODY, headers={"traceparent": CLIENTS, "tracestate": "a=b"})
    await sent(router)

    (call,) = collector.named("chat sorter")
    assert pod.requests[0].headers["traceparent"] == f"00-{TRACE}-{call.id}-01"
    assert pod.requests[0].headers["tracestate"] == "a=b"


async def test_a_stream_s_span_lasts_until_its_end_and_no_text_is_in_any_span(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=traced(collector))

    await router.client.post(CHAT, json=BODY)
    await sent(router)

    assert len(collector.spans) == 2
    assert not any("dbca" in str(span.attributes) for span in collector.spans)


async def test_failures_are_errors_of_the_call_and_of_the_request(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(refuses(500, "out of memory"))
    router = await run(
        route("sorter", pod.url), route("gone", "http://127.0.0.1:9"), settings=traced(collector)
    )

    await router.client.post(CHAT, json=BODY)
    await router.client.post(CHAT, json={**BODY, "model": "gone"})
    await sent(router)

    broken, absent = collector.named("chat sorter")[0], collector.named("chat gone")[0]
    assert (broken.error, broken.attributes["error.type"]) == (True, "500")
    assert (absent.error, absent.attributes["error.type"]) == (True, "UpstreamUnreachableError")
    assert all(one.error for one in collector.named(f"POST {CHAT}"))


async def test_a_provider_is_named_by_its_host_and_its_tokens_are_told(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    provider = await engine(answers("abcd"))
    price = Price(input_usd_per_token=2e-6, output_usd_per_token=10e-6)
    far = general(
        "frontier", provider.url, external=True, tier="", price=price, upstream_model="gpt-x"
    )
    router = await run(far, settings=traced(collector))

    await router.chat("hello", "auto")
    await sent(router)

    (call,) = collector.named("chat gpt-x")
    assert call.attributes["gen_ai.provider.name"] == "127.0.0.1"
    assert call.attributes["gen_ai.usage.input_tokens"] == 5
    assert call.attributes["tierwise.tier"] == "external"


@pytest.mark.parametrize("flags", ["00", "02"])
async def test_who_is_not_sampled_is_not_traced_and_its_header_goes_on(
    engine: Engine, run: Run, collector: Receiver, flags: str
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=traced(collector))
    given = f"00-{TRACE}-{SPAN}-{flags}"

    await router.client.post(CHAT, json=BODY, headers={"traceparent": given})
    await sent(router)

    assert collector.posts == 0
    assert pod.requests[0].headers["traceparent"] == given


async def test_a_share_of_the_requests_is_traced(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=traced(collector, share=0.0))

    await router.client.post(CHAT, json=BODY)
    await router.client.post(CHAT, json=BODY, headers={"traceparent": CLIENTS})
    await sent(router)

    assert {span.trace for span in collector.spans} == {TRACE}


async def test_a_collector_that_is_away_costs_traces_and_no_answer(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(answers("abcd"))
    collector.status = 400
    router = await run(route("sorter", pod.url), settings=traced(collector))

    replies = [await router.client.post(CHAT, json=BODY) for _ in range(3)]
    await sent(router)

    assert [reply.status_code for reply in replies] == [200, 200, 200]
    metrics = (await router.client.get("/metrics")).text
    assert 'tierwise_router_trace_spans_total{outcome="failed"} 6.0' in metrics


async def test_off_nothing_of_it_runs_and_the_client_s_header_reaches_the_engine(
    engine: Engine, run: Run
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url))

    await router.client.post(CHAT, json=BODY, headers={"traceparent": CLIENTS})

    assert type(router.app) is App
    assert type(router.dispatcher.dispatch) is Dispatch
    assert pod.requests[0].headers["traceparent"] == CLIENTS


async def test_exemplars_name_a_trace_to_who_asks_for_openmetrics(
    engine: Engine, run: Run, collector: Receiver
) -> None:
    pod = await engine(answers("abcd"))
    router = await run(route("sorter", pod.url), settings=traced(collector))
    await router.client.post(CHAT, json=BODY, headers={"traceparent": CLIENTS})
    wanted = {"accept": "application/openmetrics-text; version=1.0.0"}

    opened = await router.client.get("/metrics", headers=wanted)
    plain = await router.client.get("/metrics")

    assert opened.headers["content-type"].startswith("application/openmetrics-text")
    assert f'# {{trace_id="{TRACE}"}}' in opened.text
    assert opened.text.endswith("# EOF\n")
    assert plain.headers["content-type"].startswith("text/plain")
    assert TRACE not in plain.text


class NeverSends:
    """A sink whose collector never answers anything."""

    def send(self, spans: object) -> bool:
        raise OSError("no route to the collector")

    def close(self) -> None:
        pass


def test_the_line_is_bounded_and_what_is_dropped_is_counted() -> None:
    counts = {"dropped": 0, "failed": 0, "sent": 0}
    exporter = exporting.Exporter(NeverSends(), counts)

    for _ in range(exporting.MOST_WAITING + 5):
        exporter.put(None)  # type: ignore[arg-type]

    assert counts["dropped"] == 5


@pytest.mark.parametrize("share", ["1.5", "-0.1", "half", "nan"])
def test_a_share_that_is_none_is_named(share: str) -> None:
    with pytest.raises(SettingsError, match="TIERWISE_TRACE_SHARE"):
        Settings.from_env({"TIERWISE_TRACE_SHARE": share})
