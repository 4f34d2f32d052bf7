"""What is told of a request: its spans, as OpenTelemetry's GenAI conventions name things.

The request's own span is a server's, each question to a Specialist a client's below it, and below
those come the engine's own, which vLLM sends itself. No prompt and no answer is in them.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlsplit

from tierwise_core.route_table import Route
from tierwise_router.decision import Decision, Step, tier_of
from tierwise_router.tracing.context import CallSpan, Trace

__all__ = ["Told", "told_of"]

Value = str | int | float | bool
Attributes = dict[str, Value]

OPERATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/v1/chat/completions": "chat",
        "/v1/completions": "text_completion",
        "/v1/responses": "chat",
        "/v1/messages": "chat",
        "/query": "chat",
        "/v1/embeddings": "embeddings",
    }
)
PROVIDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api.openai.com": "openai",
        "api.anthropic.com": "anthropic",
        "api.mistral.ai": "mistral_ai",
        "api.groq.com": "groq",
        "api.deepseek.com": "deepseek",
        "api.cohere.com": "cohere",
        "api.x.ai": "x_ai",
        "api.perplexity.ai": "perplexity",
    }
)
ENGINE: Final = "vllm"
FIRST_ERROR: Final = 400
FIRST_SERVER_ERROR: Final = 500
NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """One span: ids (``parent_id`` 0 for none), times in nanoseconds since the epoch, and words.

    ``error`` is empty where all went well.
    """

    name: str
    kind: Literal["server", "client"]
    trace_id: int
    span_id: int
    parent_id: int
    began_ns: int
    ended_ns: int
    attributes: Attributes
    error: str = ""


def told_of(
    trace: Trace, decision: Decision, path: str, status: int, ended_ns: int
) -> Iterator[Told]:
    """Give the spans of a request that has been answered, its own first."""
    operation = OPERATIONS.get(path, path.rpartition("/")[2])
    error = str(status) if status >= FIRST_SERVER_ERROR else ""
    yield Told(
        f"POST {path}", "server", trace.trace_id, trace.span_id, trace.parent_id,
        trace.began_ns, ended_ns, _of_request(decision, path, operation, status), error,
    )  # fmt: skip
    left = [step for step in decision.steps if step.failure not in {"asleep", "overflow"}]
    for call in trace.calls:
        step = _taken(left, call)
        yield Told(
            f"{operation} {call.route.upstream_model}", "client", trace.trace_id, call.span_id,
            trace.span_id, call.began_ns, call.ended_ns or ended_ns,
            _of_call(call, step, operation), _error_of(call),
        )  # fmt: skip


def _taken(left: list[Step], call: CallSpan) -> Step | None:
    """Find the step that a call belongs to; other calls (of a judge) belong to none."""
    for at, step in enumerate(left):
        if step.hop.route.title == call.route.title:
            return left.pop(at)
    return None


def _of_request(decision: Decision, path: str, operation: str, status: int) -> Attributes:
    plan, steps = decision.plan, decision.steps
    told: Attributes = {
        "http.request.method": "POST",
        "http.route": path,
        "http.response.status_code": status,
        "gen_ai.operation.name": operation,
        "tierwise.decision": decision.id.decode(),
        "tierwise.latency_class": decision.latency_class,
        "tierwise.cost_usd": decision.cost_usd,
        "tierwise.steps": len(steps),
        **_set(
            ("gen_ai.request.model", decision.model),
            ("tierwise.tenant", decision.admitted.tenant_key),
            ("tierwise.reason", decision.reason),
            ("tierwise.pattern", decision.pattern),
            ("tierwise.table", decision.table),
        ),
    }
    if plan is not None:
        told["tierwise.field.confidence"] = plan.field_confidence
        told |= _set(("tierwise.field", plan.field or ""))
    if steps and not steps[-1].failure:
        told |= {"gen_ai.response.model": steps[-1].hop.route.upstream_model}
        told |= {"tierwise.specialist": steps[-1].hop.route.key}
    return told


def _of_call(call: CallSpan, step: Step | None, operation: str) -> Attributes:
    route, address = call.route, urlsplit(call.url)
    told: Attributes = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _provider(route, address.hostname or ""),
        "gen_ai.request.model": route.upstream_model,
        "tierwise.specialist": route.key,
        "tierwise.tier": tier_of(route),
        **_set(
            ("server.address", address.hostname or ""),
            ("server.port", address.port or 0),
            ("http.response.status_code", call.status),
            ("tierwise.attempts", call.attempts),
        ),
    }
    pod = next((one for one in route.endpoints if one.url == call.url), None)
    if pod is not None:
        told |= _set(("tierwise.pod", pod.pod), ("tierwise.revision", pod.revision))
    if call.headed_ns:
        told["tierwise.first_byte_seconds"] = (call.headed_ns - call.began_ns) / NS
    return told | (_of_step(step) if step is not None else {})


def _of_step(step: Step) -> Attributes:
    told: Attributes = {
        "tierwise.reason": step.failure or step.hop.reason,
        "tierwise.confidence.predicted": step.hop.predicted_confidence,
        "tierwise.confidence.floor": step.hop.floor,
    }
    if step.confidence is not None:
        told["tierwise.confidence.answer"] = step.confidence
    if step.cost_usd:
        told["tierwise.cost_usd"] = step.cost_usd
    usage = step.usage
    if usage is not None:
        told["gen_ai.usage.input_tokens"] = usage.input_tokens
        told["gen_ai.usage.output_tokens"] = usage.output_tokens
    return told


def _provider(route: Route, host: str) -> str:
    return PROVIDERS.get(host, host or "external") if route.external else ENGINE


def _error_of(call: CallSpan) -> str:
    return call.failure or (str(call.status) if call.status >= FIRST_ERROR else "")


def _set(*pairs: tuple[str, Value]) -> Attributes:
    """Keep what is known."""
    return dict(_known(pairs))


def _known(pairs: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    return ((name, value) for name, value in pairs if value)
