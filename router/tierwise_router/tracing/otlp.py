"""Spans as OpenTelemetry's SDK has them, sent by its OTLP exporter. Needs the extra [tracing]."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tierwise_router.tracing.spans import Told

__all__ = ["OtlpSink"]

KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT}
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtlpSink:
    """Posts spans to a collector, as the ``service`` and the ``instance`` of it."""

    def __init__(self, address: str, service: str, instance: str, version: str) -> None:
        self._exporter = OTLPSpanExporter(endpoint=address)
        self._resource = Resource.create(
            {
                "service.name": service,
                "service.instance.id": instance,
                "service.version": version,
            }
        )
        self._scope = InstrumentationScope("tierwise_router", version)

    def send(self, spans: Sequence[Told]) -> bool:
        """Send spans; what a collector refuses for a while is tried again by the exporter."""
        made = [self._made(span) for span in spans]
        return self._exporter.export(made) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """End the exporter."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _made(self, span: Told) -> ReadableSpan:
        attributes = dict(span.attributes)
        if span.error:
            attributes["error.type"] = span.error
        parent = _context(span.trace_id, span.parent_id) if span.parent_id else None
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id),
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            kind=KINDS[span.kind],
            instrumentation_scope=self._scope,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
            start_time=span.began_ns,
            end_time=max(span.ended_ns, span.began_ns),
        )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=SAMPLED)
