"""Uploads (``multipart/form-data``): the few short fields the router reads of one.

The rest, a recording for instance, is passed on as it is; so only where a field's value begins and
ends is looked for, and nothing is copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tierwise_router.errors import RequestError

__all__ = ["Form", "boundary_of", "read_form"]

BOUNDARY: Final = re.compile(rb'boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))', re.IGNORECASE)
NAME: Final = re.compile(rb'[;\s]name="([^"]{1,64})"', re.IGNORECASE)
MOST_PARTS: Final = 64
LONGEST_VALUE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Form:
    """An upload; ``fields`` are its short values, ``spans`` where they stand in ``body``."""

    body: bytes
    fields: dict[str, Any]
    spans: dict[str, tuple[int, int]]

    def with_value(self, name: str, value: str) -> bytes:
        """Give the body with another value of a field, everything else byte for byte."""
        start, end = self.spans[name]
        return self.body[:start] + value.encode() + self.body[end:]


def boundary_of(content_type: bytes) -> bytes:
    """Find the boundary in a content type; empty where that is not an upload.

    >>> boundary_of(b"multipart/form-data; boundary=abc"), boundary_of(b"application/json")
    (b'abc', b'')
    """
    if not content_type.lower().startswith(b"multipart/form-data"):
        return b""
    found = BOUNDARY.search(content_type)
    return (found.group(1) or found.group(2)) if found is not None else b""


def read_form(body: bytes, boundary: bytes) -> Form:
    r"""Read the short fields of an upload; raises RequestError for what is none.

    >>> body = (b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    ...         b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\x00\r\n'
    ...         b'--x--\r\n')
    >>> form = read_form(body, b"x")
    >>> form.fields, len(form.with_value("model", "large-v3")) - len(body)
    ({'model': 'whisper'}, 1)
    """
    fields: dict[str, Any] = {}
    spans: dict[str, tuple[int, int]] = {}
    delimiter = b"--" + boundary
    start = body.find(delimiter)
    if start not in {0, 2}:
        raise _malformed("it does not begin with the boundary of its content type")
    for _ in range(MOST_PARTS):
        start += len(delimiter)
        if body.startswith(b"--", start):
            return Form(body, fields, spans)
        head_end = body.find(b"\r\n\r\n", start)
        end = body.find(b"\r\n" + delimiter, start)
        if head_end < 0 or end < 0:
            raise _malformed("a part does not end")
        _note(body, body[start:head_end], (head_end + 4, end), fields, spans)
        start = end + 2
    raise _malformed(f"it has more than {MOST_PARTS} parts")


def _note(
    body: bytes,
    head: bytes,
    span: tuple[int, int],
    fields: dict[str, Any],
    spans: dict[str, tuple[int, int]],
) -> None:
    named = NAME.search(head)
    start, end = span
    if named is None or b"filename" in head or end - start > LONGEST_VALUE_BYTES or end < start:
        return
    name = named.group(1).decode("latin-1")
    fields[name] = body[start:end].decode("utf-8", "replace")
    spans[name] = span


def _malformed(why: str) -> RequestError:
    return RequestError(f"the body is no multipart/form-data: {why}", code="invalid_form")
