"""Files, batches and requests in the background in the published document."""

from __future__ import annotations

from typing import Any, Final

from tierwise_router.openapi.operation import Answer, Operation, Schema, json_answer, ref
from tierwise_router.openapi.parts import TEXT, errors

__all__ = ["OPERATIONS", "SCHEMAS"]

MOMENT: Final = {"type": ["integer", "null"], "description": "seconds since 1970"}
TEXT_OR_NULL: Final = {"type": ["string", "null"]}
STORED: Final = {
    "501": Answer("Nothing is kept here: TIERWISE_FILES_DIR names no directory.",
                  {"application/json": ref("Error")}),
    "507": Answer("There is no room to keep it.", {"application/json": ref("Error")}),
}  # fmt: skip

ENDED: Final = Answer("It has ended already.", {"application/json": ref("Error")})


def _object(required: tuple[str, ...], **properties: Any) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _page(of: str) -> Schema:
    return _object(
        ("object", "data", "has_more"),
        object={"const": "list"},
        data={"type": "array", "items": ref(of)},
        first_id=TEXT_OR_NULL,
        last_id=TEXT_OR_NULL,
        has_more={"type": "boolean"},
    )


SCHEMAS: Final[dict[str, Schema]] = {
    "File": _object(
        ("id", "object", "bytes", "created_at", "filename", "purpose"),
        id=TEXT,
        object={"const": "file"},
        bytes={"type": "integer"},
        created_at={"type": "integer"},
        filename=TEXT,
        purpose=TEXT,
        status={"const": "processed"},
        status_details={"type": "null"},
    ),
    "Files": _page("File"),
    "Upload": _object(
        ("purpose", "file"),
        purpose={"type": "string", "description": "`batch` for the requests of a batch"},
        file={"type": "string", "contentMediaType": "application/octet-stream"},
    ),
    "Deleted": _object(
        ("id", "object", "deleted"), id=TEXT, object=TEXT, deleted={"const": True}
    ),
    "Batch": _object(
        ("id", "object", "endpoint", "input_file_id", "completion_window", "status"),
        id=TEXT,
        object={"const": "batch"},
        endpoint=TEXT,
        errors={"type": ["object", "null"]},
        input_file_id=TEXT,
        completion_window=TEXT,
        status={
            "enum": [
                "validating", "failed", "in_progress", "finalizing", "completed", "expired",
                "cancelling", "cancelled",
            ]
        },
        output_file_id=TEXT_OR_NULL,
        error_file_id=TEXT_OR_NULL,
        created_at={"type": "integer"},
        expires_at={"type": "integer"},
        in_progress_at=MOMENT,
        finalizing_at=MOMENT,
        completed_at=MOMENT,
        failed_at=MOMENT,
        expired_at=MOMENT,
        cancelling_at=MOMENT,
        cancelled_at=MOMENT,
        request_counts=_object(
            ("total", "completed", "failed"),
            total={"type": "integer"},
            completed={"type": "integer"},
            failed={"type": "integer"},
        ),
        metadata={"type": ["object", "null"]},
    ),
    "Batches": _page("Batch"),
    "NewBatch": _object(
        ("input_file_id", "endpoint", "completion_window"),
        input_file_id=TEXT,
        endpoint=TEXT,
        completion_window={"type": "string", "description": "minutes, hours or days, as `24h`"},
        metadata={"type": "object", "additionalProperties": TEXT},
    ),
    "Background": _object(
        ("id", "object", "status", "endpoint", "latency_class"),
        id=TEXT,
        object={"const": "background.request"},
        status={"enum": ["queued", "in_progress", "completed", "failed", "cancelled"]},
        endpoint=TEXT,
        latency_class={"enum": ["async", "background"]},
        created_at={"type": "integer"},
        expires_at={"type": "integer"},
        response={"type": ["object", "null"], "description": "`status_code` and `body`"},
        tierwise={"type": ["object", "null"], "description": "who answered, and how sure"},
        error={"type": ["object", "null"]},
    ),
    "Backgrounds": _page("Background"),
    "BackgroundOrResponse": {
        "description": "For an id of the Responses API, OpenAI's response object.",
        "type": "object",
        "required": ["id", "object", "status"],
    },
}  # fmt: skip

ID: Final = {
    "name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
}  # fmt: skip
AFTER: Final = {
    "name": "after",
    "in": "query",
    "schema": TEXT,
    "description": "an id to begin behind",
}


def _limit(most: int) -> Schema:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": 20}
    return {"name": "limit", "in": "query", "schema": schema}


def _operation(  # noqa: PLR0913 - what differs
    method: str,
    path: str,
    name: str,
    summary: str,
    answer: str,
    *,
    body: Schema | None = None,
    media: str = "application/json",
    parameters: tuple[Schema, ...] = (),
    more: tuple[str, ...] = (),
) -> Operation:
    named = "{id}" in path
    ended = {"409": ENDED} if path.endswith("/cancel") else {}
    statuses = ("400", "401", "405", *(("404",) if named or body else ()), *more)
    return Operation(
        method,
        path,
        name,
        summary,
        {"200": json_answer("As it is now.", ref(answer)), **errors(*statuses), **ended, **STORED},
        body=body,
        media=media,
        parameters=(*((ID,) if named else ()), *parameters),
        tag="work",
    )


def _kept(kind: str, word: str) -> tuple[Operation, ...]:
    one = f"/v1/{kind}/{{id}}"
    shown = "BackgroundOrResponse"
    return (
        _operation("get", one, f"get{word}", "Tell where a request in background is", shown),
        _operation("delete", one, f"delete{word}", "Forget a request in background", "Deleted"),
        _operation("post", f"{one}/cancel", f"cancel{word}", "Stop a request in background", shown),
    )


CONTENT: Final = Operation(
    "get",
    "/v1/files/{id}/content",
    "getFileContent",
    "Fetch a file's content",
    {
        "200": Answer("The content.", {"application/octet-stream": {"type": "string"}}),
        **errors("400", "401", "404", "405"),
        **STORED,
    },
    parameters=(ID,),
    tag="work",
)
PURPOSE: Final = {"name": "purpose", "in": "query", "schema": TEXT}
ORDER: Final = {"name": "order", "in": "query", "schema": {"enum": ["asc", "desc"]}}

OPERATIONS: Final = (
    _operation(
        "post", "/v1/files", "createFile", "Upload a file", "File", body=ref("Upload"),
        media="multipart/form-data", more=("413", "415"),
    ),
    _operation(
        "get", "/v1/files", "listFiles", "List files", "Files",
        parameters=(AFTER, _limit(10_000), PURPOSE, ORDER),
    ),
    _operation("get", "/v1/files/{id}", "getFile", "Tell what is known of a file", "File"),
    _operation("delete", "/v1/files/{id}", "deleteFile", "Remove a file", "Deleted"),
    CONTENT,
    _operation(
        "post", "/v1/batches", "createBatch", "Begin a batch", "Batch", body=ref("NewBatch"),
        more=("413",),
    ),
    _operation(
        "get", "/v1/batches", "listBatches", "List batches", "Batches",
        parameters=(AFTER, _limit(100)),
    ),
    _operation("get", "/v1/batches/{id}", "getBatch", "Tell where a batch is", "Batch"),
    _operation("post", "/v1/batches/{id}/cancel", "cancelBatch", "Stop a batch", "Batch"),
    _operation(
        "get", "/v1/background", "listBackground", "List requests in background", "Backgrounds",
        parameters=(AFTER, _limit(100)),
    ),
    *_kept("background", "Background"),
    *_kept("responses", "Response"),
)  # fmt: skip
