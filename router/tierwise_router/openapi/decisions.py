"""``/v1/decisions`` and ``/v1/feedback`` in the published document."""

from __future__ import annotations

from typing import Final

from tierwise_router.openapi.operation import Operation, Schema, json_answer, ref
from tierwise_router.openapi.parts import TEXT, errors

__all__ = ["OPERATIONS", "SCHEMAS"]

DECISION_ID: Final = {"type": "string", "description": "the `x-tierwise-decision` of an answer"}
OPTIONAL_TEXT: Final = {"type": ["string", "null"]}
LIST_OF_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}

SCHEMAS: Final[dict[str, Schema]] = {
    "Decision": {
        "type": "object",
        "description": "What was decided for one request; the question itself is not kept.",
        "required": ["kind", "id", "at", "state", "steps", "cost_usd", "seconds"],
        "properties": {
            "kind": {"const": "decision"},
            "id": DECISION_ID,
            "at": {"type": "number", "description": "seconds since the epoch"},
            "state": {
                "enum": [
                    "accepted", "repaired", "escalated", "relayed", "abstained", "human_review",
                    "refused", "failed",
                ]
            },
            "query_id": TEXT,
            "similarity_id": TEXT,
            "field": OPTIONAL_TEXT,
            "candidates": {**LIST_OF_OBJECTS, "description": "scores, and why each one lost"},
            "steps": {**LIST_OF_OBJECTS, "description": "who was asked, in order"},
            "specialist": TEXT,
            "cost_usd": {"type": "number"},
            "seconds": {"type": "number"},
            "feedback": {"type": ["object", "null"], "description": "the last word on it"},
        },
    },
    "Feedback": {
        "type": "object",
        "required": ["decision", "accepted"],
        "additionalProperties": False,
        "properties": {
            "decision": DECISION_ID,
            "accepted": {"type": "boolean"},
            "corrected": {**OPTIONAL_TEXT, "description": "what would have been right"},
            "comment": OPTIONAL_TEXT,
        },
    },
    "FeedbackTaken": {
        "type": "object",
        "required": ["kind", "decision", "accepted", "duplicate"],
        "properties": {
            "kind": {"const": "feedback"},
            "decision": DECISION_ID,
            "accepted": {"type": "boolean"},
            "duplicate": {"type": "boolean", "description": "the same was said before"},
        },
    },
}  # fmt: skip

OPERATIONS: Final = (
    Operation(
        "get",
        "/v1/decisions/{decision}",
        "getDecision",
        "Tell what was decided for a request, and why",
        {
            "200": json_answer("The decision's record.", ref("Decision")),
            **errors("400", "401", "404", "405", "503"),
        },
        parameters=(
            {
                "name": "decision",
                "in": "path",
                "required": True,
                "description": "the `x-tierwise-decision` of an answer",
                "schema": {"type": "string", "minLength": 1},
            },
        ),
        tag="decisions",
    ),
    Operation(
        "post",
        "/v1/feedback",
        "giveFeedback",
        "Say whether an answer was right",
        {
            "200": json_answer("Taken.", ref("FeedbackTaken")),
            **errors("400", "401", "404", "405", "413", "503"),
        },
        body=ref("Feedback"),
        tag="decisions",
    ),
)
