"""The official Python client beside an engine that refuses: what it raises, what it repeats."""

from __future__ import annotations

from typing import Any

from cases import BASE_URL, KEY, MODEL, asked, report
from openai import OpenAI

strict = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60)
patient = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=2, timeout=60)


def error_unauthorized() -> Any:
    return strict.chat.completions.create(messages=asked("unauthorized"), model=MODEL)


def error_too_many() -> Any:
    return strict.chat.completions.create(messages=asked("too many"), model=MODEL)


def repeated_after_too_many() -> Any:
    answer = patient.chat.completions.create(messages=asked("too many once"), model=MODEL)
    return answer.choices[0].message.content


def error_no_pod() -> Any:
    return strict.chat.completions.create(messages=asked(), model="absent")


def error_in_a_stream() -> Any:
    pieces = strict.chat.completions.create(messages=asked("die"), model=MODEL, stream=True)
    return "".join(piece.choices[0].delta.content or "" for piece in pieces)


if __name__ == "__main__":
    report(
        error_unauthorized, error_too_many, repeated_after_too_many, error_no_pod,
        error_in_a_stream,
    )  # fmt: skip
