"""langchain-openai: chats, streams, binds tools, parses structured answers."""

from __future__ import annotations

from typing import Any, Literal

from cases import BASE_URL, CHOICE, KEY, MODEL, NO_SPACES, QUESTION, TOOL, report
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel, SecretStr

chat = ChatOpenAI(
    base_url=BASE_URL, api_key=SecretStr(KEY), model=MODEL, temperature=0, max_retries=0,
    stream_usage=True, timeout=60,
)  # fmt: skip


class Order(BaseModel, extra="forbid"):
    """The order of the letters."""

    order: Literal["ascending", "descending"]


def invoked() -> Any:
    answer = chat.invoke(QUESTION)
    return [answer.content, answer.usage_metadata["output_tokens"] > 0]


def auto() -> Any:
    return chat.model_copy(update={"model_name": "auto"}).invoke(QUESTION).content


def streamed() -> Any:
    pieces = list(chat.stream(QUESTION))
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    return ["".join(str(piece.content) for piece in pieces), len(usage)]


def batched() -> Any:
    return sorted({answer.content for answer in chat.batch([QUESTION] * 8)})


def tool() -> Any:
    bound = chat.bind_tools([TOOL], tool_choice=CHOICE).bind(logit_bias=NO_SPACES, max_tokens=120)
    (call,) = bound.invoke(QUESTION).tool_calls
    return [call["name"], call["args"]]


def structured() -> Any:
    shaped = ChatOpenAI(
        base_url=BASE_URL, api_key=SecretStr(KEY), model=MODEL, temperature=0, max_retries=0,
        logit_bias=NO_SPACES, max_tokens=120,
    ).with_structured_output(Order, method="json_schema")  # fmt: skip
    return shaped.invoke(QUESTION).order


def completion() -> Any:
    completing = OpenAI(
        base_url=BASE_URL, api_key=SecretStr(KEY), model=MODEL, temperature=0, max_tokens=8,
        max_retries=0,
    )  # fmt: skip
    return completing.invoke("sort dbca=")


def error_unknown_model() -> Any:
    return chat.model_copy(update={"model_name": "sorrter"}).invoke(QUESTION)


def error_nobody_sure() -> Any:
    unsure = chat.model_copy(update={"model_name": "auto"})
    return unsure.invoke("who was the third emperor of the Ming dynasty?")


if __name__ == "__main__":
    report(
        invoked, auto, streamed, batched, tool, structured, completion, error_unknown_model,
        error_nobody_sure,
    )  # fmt: skip
