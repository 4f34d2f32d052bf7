"""The official Python client: what it gives its users from behind the router."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from cases import BASE_URL, CHOICE, KEY, MODEL, NO_SPACES, TOOL, asked, report
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

client = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60)
GREEDY: dict[str, Any] = {"model": MODEL, "temperature": 0}


class Order(BaseModel, extra="forbid"):
    """What the structured answer is parsed into."""

    order: Literal["ascending", "descending"]


def chat() -> Any:
    raw = client.chat.completions.with_raw_response.create(messages=asked(), **GREEDY)
    answer = raw.parse()
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "total": answer.usage.total_tokens
        == sum((answer.usage.prompt_tokens, answer.usage.completion_tokens)),
        "specialist": raw.headers["x-tierwise-specialist"],
    }


def chat_auto() -> Any:
    answer = client.chat.completions.create(messages=asked(), model="auto", temperature=0)
    return answer.choices[0].message.content


def stream() -> Any:
    return collected(client.chat.completions.create(messages=asked(), stream=True, **GREEDY))


def stream_auto() -> Any:
    options: Any = {"include_usage": True}
    pieces = client.chat.completions.create(
        messages=asked(), model="auto", temperature=0, stream=True, stream_options=options
    )
    return collected(pieces)


def stream_with_usage() -> Any:
    options: Any = {"include_usage": True}
    pieces = client.chat.completions.create(
        messages=asked(), stream=True, stream_options=options, **GREEDY
    )
    return collected(pieces)


def stream_async() -> Any:
    async def read() -> str:
        async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0) as aside:
            pieces = await aside.chat.completions.create(messages=asked(), stream=True, **GREEDY)
            return "".join([one.choices[0].delta.content or "" async for one in pieces])

    return asyncio.run(read())


def many_at_once() -> Any:
    async def read() -> list[Any]:
        async with AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0) as aside:
            answers = await asyncio.gather(
                *(aside.chat.completions.create(messages=asked(), **GREEDY) for _ in range(16))
            )
            return sorted({answer.choices[0].message.content for answer in answers})

    return asyncio.run(read())


def tool() -> Any:
    answer = client.chat.completions.create(
        messages=asked(), tools=[TOOL], tool_choice=CHOICE, logit_bias=NO_SPACES,
        max_tokens=120, **GREEDY,
    )  # fmt: skip
    (call,) = answer.choices[0].message.tool_calls
    return [call.function.name, call.function.arguments]


def tool_streamed() -> Any:
    pieces = client.chat.completions.create(
        messages=asked(), tools=[TOOL], tool_choice=CHOICE, logit_bias=NO_SPACES,
        max_tokens=120, stream=True, **GREEDY,
    )  # fmt: skip
    name = arguments = ""
    for piece in pieces:
        for call in piece.choices[0].delta.tool_calls or ():
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    return [name, arguments]


def structured() -> Any:
    answer = client.chat.completions.parse(
        messages=asked(), response_format=Order, logit_bias=NO_SPACES, max_tokens=120, **GREEDY
    )
    return answer.choices[0].message.parsed.order


def logprobs() -> Any:
    answer = client.chat.completions.create(
        messages=asked(), logprobs=True, top_logprobs=2, **GREEDY
    )
    tokens = answer.choices[0].logprobs.content
    return ["".join(token.token for token in tokens)[:4], len(tokens[0].top_logprobs)]


def several_choices() -> Any:
    answer = client.chat.completions.create(
        messages=asked(), model=MODEL, n=2, seed=7, temperature=0.01, stop=["~"]
    )
    return [choice.index for choice in answer.choices]


def completion() -> Any:
    answer = client.completions.create(prompt="sort dbca=", max_tokens=8, **GREEDY)
    return answer.choices[0].text


def models() -> Any:
    return [[model.id for model in client.models.list()], client.models.retrieve(MODEL).id]


def error_unknown_model() -> Any:
    return client.chat.completions.create(messages=asked(), model="sorrter")


def error_of_the_engine() -> Any:
    return client.chat.completions.create(messages=asked(), model=MODEL, temperature=-3)


def error_of_the_router() -> Any:
    return client.chat.completions.create(messages=[], model=MODEL)


def error_nobody_sure() -> Any:
    text = "who was the third emperor of the Ming dynasty?"
    return client.chat.completions.create(messages=asked(text), model="auto")


def cancelled() -> Any:
    pieces = client.chat.completions.create(
        messages=asked("go on for ever"), stream=True, max_tokens=240,
        extra_body={"ignore_eos": True}, **GREEDY,
    )  # fmt: skip
    first = next(iter(pieces))
    pieces.close()
    return len(first.choices)


def collected(pieces: Any) -> Any:
    """The text of a stream, why it ended, and the tokens that it says it took."""
    text, finish, usage = "", None, None
    for piece in pieces:
        if piece.usage is not None:
            usage = piece.usage.completion_tokens > 0
        for choice in piece.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    return {"text": text, "finish": finish, "usage": usage}


if __name__ == "__main__":
    report(
        chat, chat_auto, stream, stream_auto, stream_with_usage, stream_async, many_at_once,
        tool, tool_streamed, structured, logprobs, several_choices, completion, models,
        error_unknown_model, error_of_the_engine, error_of_the_router, error_nobody_sure,
        cancelled,
    )  # fmt: skip
