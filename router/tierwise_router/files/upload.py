"""An upload as it arrives: multipart/form-data, written to the disk piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tierwise_router.errors import RequestError

__all__ = ["Upload", "receive_upload"]

FLUSH_BYTES: Final = 1024 * 1024
LONGEST_FIELD_BYTES: Final = 64 * 1024
LONGEST_HEADERS_BYTES: Final = 16 * 1024
MOST_PARTS: Final = 32


class Upload:
    """What came so far: the plain fields, and the file's name and size."""

    def __init__(self, boundary: bytes, target: BinaryIO, limit_bytes: int) -> None:
        self.fields: dict[str, str] = {}
        self.filename: str | None = None
        self.size_bytes = 0
        self.pending = bytearray()
        self._target = target
        self._limit_bytes = limit_bytes
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._headers: dict[bytes, bytes] = {}
        self._name = ""
        self._is_file = False
        self._value = bytearray()
        self.ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._part_data,
                "on_part_end": self._part_ends,
                "on_end": self._all_ended,
            },
        )

    def write(self, data: bytes) -> None:
        """Read a piece of the body; raises RequestError."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def flush(self) -> None:
        """Hand what is waiting to the disk; blocks."""
        data, self.pending = self.pending, bytearray()
        self._target.write(data)

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise _malformed(f"more than {MOST_PARTS} parts")
        self._headers = {}
        self._value = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])
        self._check_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header[0]) + len(self._header[1]) > LONGEST_HEADERS_BYTES:
            raise _malformed("a part's header is too long")

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        _kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._is_file = self._name == "file"
        if self._is_file:
            if self.filename is not None:
                raise _malformed("two parts are named 'file'")
            self.filename = options.get(b"filename", b"upload").decode("utf-8", "replace")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.size_bytes += end - start
            if self.size_bytes > self._limit_bytes:
                raise _too_large(self._limit_bytes)
            self.pending += data[start:end]
            return
        self._value += data[start:end]
        if len(self._value) > LONGEST_FIELD_BYTES:
            raise _malformed(f"the field {self._name[:60]!r} is too long")

    def _part_ends(self) -> None:
        if not self._is_file and self._name:
            self.fields[self._name] = self._value.decode("utf-8", "replace")

    def _all_ended(self) -> None:
        self.ended = True


async def receive_upload(
    content_type: bytes, pieces: AsyncIterator[bytes], part: Path, limit_bytes: int
) -> Upload:
    """Write an upload's file to ``part``, and give its fields.

    Raises RequestError for what is no upload, or too large; OSError when the disk is full.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RequestError(
            "content-type is not multipart/form-data with a boundary; send the file as a form "
            "with the fields 'purpose' and 'file'",
            status=415,
            code="invalid_content_type",
        )
    with await asyncio.to_thread(part.open, "xb") as target:
        upload = Upload(options[b"boundary"], target, limit_bytes)
        async for piece in pieces:
            upload.write(piece)
            if len(upload.pending) >= FLUSH_BYTES:
                await asyncio.to_thread(upload.flush)
        await asyncio.to_thread(upload.flush)
    if not upload.ended:
        raise _malformed("it ends before its last boundary")
    if upload.filename is None:
        raise RequestError("'file' is missing; add the file", param="file", code="missing_field")
    return upload


def _malformed(why: str) -> RequestError:
    return RequestError(
        f"the form cannot be read: {why}; send multipart/form-data with 'purpose' and 'file'",
        code="invalid_form",
    )


def _too_large(limit_bytes: int) -> RequestError:
    return RequestError(
        f"'file' is larger than {limit_bytes} bytes; send less, or raise "
        "RouterPolicy spec.batch.maxFileSize",
        status=413,
        param="file",
        code="file_too_large",
    )
