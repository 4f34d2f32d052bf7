"""The models, the health and the metrics in the published document."""

from __future__ import annotations

from typing import Any, Final

from tierwise_router.openapi.operation import Answer, Operation, Schema, json_answer, ref
from tierwise_router.openapi.parts import TEXT, errors

__all__ = ["OPERATIONS", "SCHEMAS"]

PLAIN: Final = "text/plain"

SCHEMAS: Final[dict[str, Schema]] = {
    "Model": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by"],
        "properties": {
            "id": {"type": "string", "description": "what goes into `model`"},
            "object": {"const": "model"},
            "created": {"type": "integer"},
            "owned_by": {"type": "string", "description": "the namespace"},
            "parent": {"type": "string", "description": "whose adapter it is"},
            "tierwise": {
                "type": "object",
                "required": ["specialist", "field", "tier", "ready", "endpoints"],
                "properties": {
                    "specialist": TEXT,
                    "field": TEXT,
                    "tier": TEXT,
                    "ready": {"type": "boolean"},
                    "endpoints": {"type": "integer"},
                },
            },
        },
    },
    "Shares": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["specialist", "rollout", "greenPercent", "shadowPercent"],
            "properties": {
                "specialist": TEXT,
                "rollout": {"type": "string", "description": "the Rollout's name"},
                "greenPercent": {"type": "number", "minimum": 0, "maximum": 100},
                "shadowPercent": {"type": "number", "minimum": 0, "maximum": 100},
            },
        },
    },
    "Models": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": ref("Model")},
        },
    },
}


def _get(path: str, name: str, summary: str, **answers: Answer) -> Operation:
    told = {status.removeprefix("s"): answer for status, answer in answers.items()}
    return Operation("get", path, name, summary, {**told, **errors("405")}, tag="service")


def _plain(description: str) -> Answer:
    return Answer(description, {PLAIN: TEXT})


def _path_parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1},
    }


OPERATIONS: Final = (
    Operation(
        "get",
        "/v1/models",
        "listModels",
        "List what `model` may be",
        {"200": json_answer("All of them.", ref("Models")), **errors("401", "405")},
        tag="models",
    ),
    Operation(
        "get",
        "/v1/models/{model}",
        "getModel",
        "Describe one model",
        {
            "200": json_answer("The model.", ref("Model")),
            **errors("400", "401", "404", "405", "503"),
        },
        parameters=(_path_parameter("model", "its name, `/` and `:` included"),),
        tag="models",
    ),
    Operation(
        "get",
        "/v1/rollouts",
        "listRollouts",
        "Tell the shares that this pod applies",
        {
            "200": json_answer("One row for each Specialist in a rollout.", ref("Shares")),
            **errors("405", "503"),
        },
        tag="service",
    ),
    _get("/healthz", "healthz", "Tell that the process is alive", s200=_plain("Alive.")),
    _get(
        "/readyz",
        "readyz",
        "Tell whether requests should come here",
        s200=_plain("Yes."),
        s503=_plain("No: there is no route table yet, or it is stopping."),
    ),
    _get("/metrics", "metrics", "Count, for Prometheus", s200=_plain("The counts.")),
    _get(
        "/openapi.json",
        "openapi",
        "Describe this router",
        s200=json_answer("This document.", {"type": "object"}),
    ),
)
