"""litellm: the same, through its own translation of OpenAI's API."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
from cases import BASE_URL, CHOICE, KEY, MODEL, NO_SPACES, ORDER, TOOL, asked, report

litellm.suppress_debug_info = True
COMMON: dict[str, Any] = {"api_base": BASE_URL, "api_key": KEY, "num_retries": 0, "timeout": 60}
GREEDY: dict[str, Any] = {"model": f"openai/{MODEL}", "temperature": 0, **COMMON}


def chat() -> Any:
    answer = litellm.completion(messages=asked(), **GREEDY)
    return [answer.choices[0].message.content, answer.usage.completion_tokens > 0]


def auto() -> Any:
    answer = litellm.completion(messages=asked(), model="openai/auto", temperature=0, **COMMON)
    return answer.choices[0].message.content


def streamed() -> Any:
    pieces = litellm.completion(messages=asked(), stream=True, **GREEDY)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces)


def streamed_async() -> Any:
    async def read() -> str:
        pieces = await litellm.acompletion(messages=asked(), stream=True, **GREEDY)
        return "".join([piece.choices[0].delta.content or "" async for piece in pieces])

    return asyncio.run(read())


def tool() -> Any:
    answer = litellm.completion(
        messages=asked(), tools=[TOOL], tool_choice=CHOICE, logit_bias=NO_SPACES, max_tokens=120,
        **GREEDY,
    )  # fmt: skip
    (call,) = answer.choices[0].message.tool_calls
    return [call.function.name, call.function.arguments]


def structured() -> Any:
    schema = {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}}
    answer = litellm.completion(
        messages=asked(), response_format=schema, logit_bias=NO_SPACES, max_tokens=120, **GREEDY
    )
    return answer.choices[0].message.content


def completion() -> Any:
    options = {**GREEDY, "model": f"text-completion-openai/{MODEL}"}
    return litellm.text_completion(prompt="sort dbca=", max_tokens=8, **options).choices[0].text


def error_unknown_model() -> Any:
    return litellm.completion(messages=asked(), model="openai/sorrter", **COMMON)


def error_nobody_sure() -> Any:
    text = "who was the third emperor of the Ming dynasty?"
    return litellm.completion(messages=asked(text), model="openai/auto", **COMMON)


if __name__ == "__main__":
    report(
        chat, auto, streamed, streamed_async, tool, structured, completion, error_unknown_model,
        error_nobody_sure,
    )  # fmt: skip
