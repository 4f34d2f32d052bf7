"""Reading a job's requests: a line at a time, without haste, whatever is in them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import orjson

from tierwise_core.batch import LineProblem, check_line
from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.job import Job, Line
from tierwise_router.errors import RequestError
from tierwise_router.json_body import read_value

__all__ = ["check_input", "read_lines", "unhurried"]

T = TypeVar("T")
MOST_PROBLEMS: Final = 100
STINT_S: Final = 0.002
MARK: Final = b"\xef\xbb\xbf"  # of UTF-8 as some editors write it


def unhurried(items: Iterable[T]) -> Iterator[T]:
    """Yield items and rest as long as one works: the event loop shares the interpreter with us.

    >>> list(unhurried([1, 2]))
    [1, 2]
    """
    began_at = time.perf_counter()
    for item in items:
        yield item
        if (spent_s := time.perf_counter() - began_at) > STINT_S:
            time.sleep(min(spent_s, 5 * STINT_S))
            began_at = time.perf_counter()


def check_input(
    job: Job, policy: BatchPolicy, longest_line_bytes: int
) -> tuple[int, tuple[LineProblem, ...]]:
    """Count a job's requests and find what is wrong with them; blocks.

    Every line is looked at, and the first hundred problems are told.
    """
    seen: set[str] = set()
    problems: list[LineProblem] = []
    total = 0
    for number, raw in unhurried(_raw_lines(job.input, longest_line_bytes)):
        total += 1
        if total > policy.max_requests:
            problems.append(_too_many(policy.max_requests, number))
            break
        if (
            problem := _check(number, raw, longest_line_bytes, job.spec.endpoint, seen)
        ) is not None:
            problems.append(problem)
        if len(problems) >= MOST_PROBLEMS:
            break
    if not total:
        problems.append(LineProblem("empty_file", "the file has no requests; give one a line"))
    return total, tuple(problems)


def _check(
    number: int, raw: bytes | None, longest_bytes: int, endpoint: str, seen: set[str]
) -> LineProblem | None:
    if raw is None:
        message = f"the line is longer than {longest_bytes} bytes; send less"
        return LineProblem("line_too_long", message, number)
    try:
        value = read_value(raw, "line")
    except RequestError as error:
        return LineProblem("invalid_json_line", str(error), number)
    problem = check_line(number, value, endpoint, seen)
    if problem is None:
        seen.add(value["custom_id"])
    return problem


def _too_many(most: int, number: int) -> LineProblem:
    message = (
        f"the file has more than {most} requests; send several batches, or raise RouterPolicy "
        "spec.batch.maxRequests"
    )
    return LineProblem("too_many_requests", message, number)


def read_lines(job: Job) -> Iterator[Line]:
    """Yield the requests of a job whose input was found right; blocks."""
    for number, raw in _raw_lines(job.input, 1 << 62):
        value = orjson.loads(raw or b"null")
        yield Line(number, value["custom_id"], value["body"])


def _raw_lines(path: Path, longest_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not empty; None for one that is too long."""
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(longest_bytes + 1):
            number += 1
            too_long = len(raw) > longest_bytes
            if too_long:
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(1 << 20)
                yield number, None
                continue
            if number == 1:
                raw = raw.removeprefix(MARK)
            if raw.strip():
                yield number, raw
