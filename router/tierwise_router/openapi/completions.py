"""``/v1/chat/completions``, ``/v1/completions`` and ``/query`` in the published document."""

from __future__ import annotations

from typing import Final

from tierwise_router.openapi.operation import JSON, Answer, Operation, Schema, json_answer, ref
from tierwise_router.openapi.parts import TEXT, errors

__all__ = ["OPERATIONS", "SCHEMAS"]

EVENT_STREAM: Final = "text/event-stream"
PASSED_ON: Final = (
    "Every other parameter goes to the engine as it is, and every other field of its answer comes "
    "back as it is: tools, structured output, `logprobs`, `n`, `seed`, `stop`, images, and what "
    "this router has never heard of. The engine judges them."
)
HINTS: Final = ("session", "when-asleep", "request-id")

MODEL: Final = {
    "type": "string",
    "minLength": 1,
    "description": "`auto`, or a name that `GET /v1/models` lists",
}
STREAM: Final = {"type": ["boolean", "null"], "description": "server-sent events"}
COUNT: Final = {"type": ["integer", "null"]}
CHOICES: Final = {"type": "array", "items": {"type": "object"}}

SCHEMAS: Final[dict[str, Schema]] = {
    "ChatRequest": {
        "type": "object",
        "required": ["model", "messages"],
        "properties": {
            "model": MODEL,
            "messages": {
                "type": "array",
                "minItems": 1,
                "description": "`auto` chooses by the text of the last user message",
            },
            "stream": STREAM,
        },
    },
    "CompletionRequest": {
        "type": "object",
        "required": ["model"],
        "properties": {
            "model": MODEL,
            "prompt": {
                "type": ["string", "array", "null"],
                "description": "`auto` needs one that is a string",
            },
            "stream": STREAM,
        },
    },
    "Completion": {
        "type": "object",
        "required": ["choices"],
        "properties": {"id": TEXT, "model": TEXT, "choices": CHOICES, "usage": ref("Usage")},
    },
    "Usage": {
        "type": ["object", "null"],
        "properties": {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT},
    },
    "Query": {
        "type": "object",
        "required": ["query"],
        "additionalProperties": False,
        "properties": {
            "query": {"type": "string", "pattern": r"\S", "description": "the question"},
            "context": {"type": ["string", "null"]},
            "field": {"type": ["string", "null"], "description": "replaces the classifier"},
            "confidence_floor": {
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 1,
                "description": "raises every floor",
            },
            "session_id": {"type": ["string", "null"]},
            "max_tokens": COUNT,
        },
    },
    "QueryAnswer": {
        "type": "object",
        "required": [
            "answer", "confidence", "assertions", "uncertainty_flags", "U_score", "specialist",
            "tier", "decision", "path",
        ],
        "properties": {
            "answer": TEXT,
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "assertions": {"type": "array", "items": ref("Assertion")},
            "uncertainty_flags": {"type": "array", "items": TEXT},
            "U_score": {"type": "number", "description": "utility, 0 to 1"},
            "specialist": TEXT,
            "tier": TEXT,
            "decision": TEXT,
            "path": {"type": "array", "items": ref("Step")},
        },
    },
    "Assertion": {
        "type": "object",
        "required": ["statement", "confidence", "source"],
        "properties": {"statement": TEXT, "confidence": {"type": "number"}, "source": TEXT},
    },
}  # fmt: skip

FAILURES: Final = errors(
    "400", "401", "403", "404", "405", "413", "422", "429", "4XX", "500", "502", "503", "504",
    "5XX",
)  # fmt: skip


def _completion(path: str, name: str, summary: str, schema: str) -> Operation:
    answered = Answer(
        "The answer; as events when `stream` is true, the last one being `data: [DONE]`.",
        {JSON: ref("Completion"), EVENT_STREAM: {}},
        decided=True,
    )
    return Operation(
        "post", path, name, summary, {"200": answered, **FAILURES}, ref(schema), HINTS, PASSED_ON
    )


OPERATIONS: Final = (
    _completion("/v1/chat/completions", "chat", "Answer a conversation", "ChatRequest"),
    _completion("/v1/completions", "complete", "Continue a text", "CompletionRequest"),
    Operation(
        "post",
        "/query",
        "query",
        "Answer a question, together with its doubts",
        {"200": json_answer("The answer.", ref("QueryAnswer"), decided=True), **FAILURES},
        ref("Query"),
        HINTS,
    ),
)
