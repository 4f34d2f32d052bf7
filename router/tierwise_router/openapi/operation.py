"""One thing that can be asked of the router, as OpenAPI writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["JSON", "Answer", "Operation", "Schema", "json_answer", "ref"]

JSON: Final = "application/json"

Schema = Mapping[str, Any]
"""A JSON schema of the dialect of OpenAPI 3.1 (2020-12)."""


def ref(name: str) -> dict[str, Any]:
    """Point to a schema of ``components``.

    >>> ref("Error")
    {'$ref': '#/components/schemas/Error'}
    """
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of one status: ``content`` has a schema for each media type it may have.

    ``decided`` says that the headers ``x-tierwise-*`` are among its headers.
    """

    description: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    decided: bool = False
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path.

    Args:
        method: in lower case.
        path: a template, ``/v1/models/{model}``.
        name: the ``operationId``, unique in the document.
        summary: one line.
        answers: by status (``"200"``), or ``"4XX"`` where an engine's own is passed on.
        body: the schema of a JSON body, None where there is no body.
        parameters: as OpenAPI writes them, or as names of ``components``.
        description: more lines, in Markdown.
        tag: the heading that it stands under.
        media: the body's media type.
    """

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[str, Answer]
    body: Schema | None = None
    parameters: tuple[Schema | str, ...] = ()
    description: str = ""
    tag: str = "inference"
    media: str = JSON

    def written(self) -> dict[str, Any]:
        """Write it as the document has it, below its path and method."""
        written: dict[str, Any] = {
            "operationId": self.name,
            "tags": [self.tag],
            "summary": self.summary,
        }
        if self.description:
            written["description"] = self.description
        if self.parameters:
            written["parameters"] = [_parameter(one) for one in self.parameters]
        if self.body is not None:
            content = {self.media: {"schema": self.body}}
            written["requestBody"] = {"required": True, "content": content}
        written["responses"] = {status: _answer(answer) for status, answer in self.answers.items()}
        return written


def json_answer(description: str, schema: Schema, *, decided: bool = False) -> Answer:
    """Describe an answer that is JSON."""
    return Answer(description, {JSON: schema}, decided)


DECISION_HEADERS: Final = (
    "x-tierwise-decision", "x-tierwise-specialist", "x-tierwise-tier", "x-tierwise-adapter",
    "x-tierwise-confidence", "x-tierwise-cost-usd", "x-tierwise-path",
)  # fmt: skip


def _parameter(one: Schema | str) -> Schema:
    return {"$ref": f"#/components/parameters/{one}"} if isinstance(one, str) else one


def _answer(answer: Answer) -> dict[str, Any]:
    names = ("x-request-id", *answer.headers, *(DECISION_HEADERS if answer.decided else ()))
    written: dict[str, Any] = {
        "description": answer.description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    if answer.content:
        written["content"] = {media: {"schema": schema} for media, schema in answer.content.items()}
    return written
