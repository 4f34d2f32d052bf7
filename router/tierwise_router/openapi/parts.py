"""What several paths share: the error, the headers, the parameters."""

from __future__ import annotations

from typing import Any, Final

from tierwise_router.openapi.operation import JSON, Answer, Schema, ref

__all__ = ["COMPONENTS", "errors"]

NUMBER_OR_NULL: Final = {"type": ["number", "null"]}
TEXT: Final = {"type": "string"}

ERROR: Final[Schema] = {
    "type": "object",
    "description": "OpenAI's shape. `decision` and `path` are there when nobody was sure enough.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string", "description": "what is wrong, and what is right"},
                "type": {"type": ["string", "null"]},
                "param": {"type": ["string", "null"], "description": "the field that is wrong"},
                "code": {
                    "type": ["string", "integer", "null"],
                    "description": "a word of ours (docs/router.md), or an engine's number",
                },
                "decision": TEXT,
                "path": {"type": "array", "items": ref("Step")},
            },
        }
    },
}

STEP: Final[Schema] = {
    "type": "object",
    "description": "A Specialist that was asked.",
    "required": ["specialist", "tier", "confidence", "floor", "reason"],
    "properties": {
        "specialist": TEXT,
        "tier": TEXT,
        "confidence": NUMBER_OR_NULL,
        "floor": NUMBER_OR_NULL,
        "reason": TEXT,
    },
}

MEANINGS: Final = {
    "400": "The request is wrong; `param` names the field.",
    "401": "No valid API key.",
    "403": "The API key may not do this.",
    "404": "There is no such thing; the message lists what there is.",
    "405": "The path has another method; `allow` names it.",
    "413": "The body is larger than this router takes.",
    "415": "The body is of another type than the path takes.",
    "422": "Nobody is sure enough (`abstained`, `human_review`).",
    "429": "Too many requests; `retry-after` says when to come back.",
    "500": "A fault of this router; please report it.",
    "502": "The engine pod failed, and there was no other one.",
    "503": "No engine pod now, or none awake; `retry-after` says when to come back.",
    "504": "The engine pod took the request and fell silent.",
    "4XX": "The engine refused the request; its own words.",
    "5XX": "The engine failed; its own words.",
}
EXTRA_HEADERS: Final = {"405": ("allow",), "429": ("retry-after",), "503": ("retry-after",)}


def errors(*statuses: str, decided: bool = False) -> dict[str, Answer]:
    """Describe the error answers of these statuses.

    >>> errors("404")["404"].description
    'There is no such thing; the message lists what there is.'
    """
    return {
        status: Answer(
            MEANINGS[status], {JSON: ref("Error")}, decided, EXTRA_HEADERS.get(status, ())
        )
        for status in statuses
    }


def _header(description: str, kind: str = "string") -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


HEADERS: Final = {
    "x-request-id": _header("the client's own, else made here; the engine gets it too"),
    "allow": _header("the methods that the path has"),
    "retry-after": _header("seconds"),
    "x-tierwise-decision": _header("the name of this decision"),
    "x-tierwise-specialist": _header("who answered, `namespace/name`"),
    "x-tierwise-tier": _header("where it ran; `external` for a provider"),
    "x-tierwise-adapter": _header("the adapter that was asked for"),
    "x-tierwise-confidence": _header("how sure the answer is, 0 to 1", "number"),
    "x-tierwise-cost-usd": _header("what the request cost up to its headers", "number"),
    "x-tierwise-path": _header("everybody who was asked, with their confidence and floor"),
}

PARAMETERS: Final = {
    "session": {
        "name": "x-session-id",
        "in": "header",
        "description": "keeps a conversation on the pod whose cache knows it",
        "schema": TEXT,
    },
    "when-asleep": {
        "name": "x-tierwise-when-asleep",
        "in": "header",
        "description": "wait for a Specialist that sleeps, or let the next one answer",
        "schema": {"enum": ["hold", "escalate"]},
    },
    "request-id": {
        "name": "x-request-id",
        "in": "header",
        "description": "a name for this request, printable ASCII; another one is replaced",
        "schema": TEXT,
    },
}

COMPONENTS: Final[dict[str, dict[str, Any]]] = {
    "schemas": {"Error": ERROR, "Step": STEP},
    "headers": HEADERS,
    "parameters": PARAMETERS,
    "securitySchemes": {
        "apiKey": {
            "type": "http",
            "scheme": "bearer",
            "description": "the API key of a Tenant, where there are Tenants; else anything",
        }
    },
}
