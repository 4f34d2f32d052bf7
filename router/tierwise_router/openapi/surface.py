"""The other paths of vLLM's, and of providers', in the published document."""

from __future__ import annotations

from typing import Final

from tierwise_router.call import CHAT, COMPLETIONS
from tierwise_router.openapi.completions import EVENT_STREAM, FAILURES, HINTS, MODEL, STREAM
from tierwise_router.openapi.operation import JSON, Answer, Operation, Schema, ref
from tierwise_router.surface import PATHS, UPLOADS

__all__ = ["OPERATIONS", "SCHEMAS"]

UPLOAD: Final = "multipart/form-data"

SUMMARIES: Final = {
    "/responses": "Answer by OpenAI's newer protocol; `auto` chooses, as for chat",
    "/embeddings": "Turn texts into vectors",
    "/v2/embed": "Turn texts into vectors, by Cohere's protocol",
    "/rerank": "Order documents by how well they answer a query",
    "/score": "Score pairs of texts",
    "/moderations": "Judge whether texts are harmful",
    "/messages": "Answer by Anthropic's protocol",
    "/messages/count_tokens": "Count the tokens of a conversation, by Anthropic's protocol",
    "/audio/transcriptions": "Write down what a recording says",
    "/audio/translations": "Write down in English what a recording says",
    "/audio/speech": "Speak a text",
    "/images/generations": "Make pictures",
    "/chat/completions/render": "Show what a conversation becomes for the model",
    "/completions/render": "Show what a prompt becomes for the model",
    "/pooling": "Give a model's pooled output",
    "/classify": "Classify texts",
    "/tokenize": "Turn a text into tokens, and count them",
    "/detokenize": "Turn tokens into text",
    "/generative_scoring": "Score texts by how likely a model finds its answers",
    "/inference/v1/generate": "Generate from tokens, in tokens",
}

SCHEMAS: Final[dict[str, Schema]] = {
    "NamedRequest": {
        "type": "object",
        "required": ["model"],
        "properties": {"model": MODEL, "stream": STREAM},
        "description": "Every field but `model` goes to the engine as it is.",
    },
    "Upload": {
        "type": "object",
        "required": ["model", "file"],
        "properties": {"model": MODEL, "file": {"type": "string", "format": "binary"}},
        "description": "Every part but `model` goes to the engine as it is.",
    },
}


def _operation(path: str, endpoint: str) -> Operation:
    upload = endpoint in UPLOADS
    answered = Answer(
        "What the engine answers, as it is.", {JSON: {}, EVENT_STREAM: {}}, decided=True
    )
    return Operation(
        "post",
        path,
        path.strip("/").replace("/", "_"),
        SUMMARIES[endpoint],
        {"200": answered, **FAILURES},
        ref("Upload" if upload else "NamedRequest"),
        HINTS,
        media=UPLOAD if upload else JSON,
    )


OPERATIONS: Final = tuple(
    _operation(path, endpoint)
    for path, endpoint in PATHS.items()
    if endpoint not in {CHAT, COMPLETIONS}
)
