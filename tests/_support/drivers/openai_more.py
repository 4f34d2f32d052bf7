"""The official Python client beyond chat: responses, embeddings, and a key that nobody knows."""

from __future__ import annotations

from typing import Any

from cases import BASE_URL, KEY, MODEL, QUESTION, asked, report
from openai import OpenAI

client = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60)
stranger = OpenAI(base_url=BASE_URL, api_key="nobody-knows", max_retries=0, timeout=60)


def response() -> Any:
    raw = client.responses.with_raw_response.create(model=MODEL, input=QUESTION)
    answer = raw.parse()
    return [answer.output_text, answer.usage.output_tokens, raw.headers["x-tierwise-specialist"]]


def response_streamed() -> Any:
    events = client.responses.create(model=MODEL, input=QUESTION, stream=True)
    seen = list(events)
    text = "".join(one.delta for one in seen if one.type == "response.output_text.delta")
    return [text, seen[-1].type]


def embeddings() -> Any:
    packed = client.embeddings.create(model=MODEL, input=["one", "three"])
    plain = client.embeddings.create(model=MODEL, input="one", encoding_format="float")
    return [[one.embedding for one in packed.data], plain.data[0].embedding]


def known() -> Any:
    answer = client.chat.completions.create(messages=asked(), model=MODEL)
    return answer.choices[0].message.content


def error_stranger() -> Any:
    return stranger.chat.completions.create(messages=asked(), model=MODEL)


def error_stranger_lists() -> Any:
    return stranger.models.list().data


if __name__ == "__main__":
    report(response, response_streamed, embeddings, known, error_stranger, error_stranger_lists)
