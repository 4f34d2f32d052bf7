"""``/v1/files``: upload, list, retrieve, content, delete."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Final

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.desk.reading import Query, listing, not_found, only
from tierwise_router.errors import RequestError
from tierwise_router.exchange import Exchange
from tierwise_router.files.disk import Disk
from tierwise_router.files.store import FileStore, StoredFile, new_id
from tierwise_router.files.upload import Upload, receive_upload

__all__ = ["FilePaths", "storage_error"]

PIECE_BYTES: Final = 256 * 1024
MOST_LISTED: Final = 10_000
PURPOSES: Final = ("batch", "user_data", "assistants", "fine-tune", "vision", "evals")
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class FilePaths:
    """Answers what is asked about a tenant's files."""

    def __init__(self, store: FileStore, disk: Disk, policy: Callable[[], BatchPolicy]) -> None:
        self._store = store
        self._disk = disk
        self._policy = policy

    async def upload(self, exchange: Exchange, tenant: str) -> None:
        """Store a file that comes as multipart/form-data."""
        policy = self._policy()
        part = await asyncio.to_thread(self._store.begin)
        try:
            room = policy.max_storage_bytes - await asyncio.to_thread(self._store.used_bytes)
            upload = await receive_upload(
                exchange.header(b"content-type"), exchange.pieces(), part, policy.max_file_bytes
            )
            if upload.size_bytes > room:
                raise _no_room(policy.max_storage_bytes)
            stored = _stored(upload, tenant)
            await asyncio.to_thread(self._store.add, part, stored)
        except OSError as error:
            raise storage_error(error) from error
        finally:
            await asyncio.to_thread(self._disk.remove, part)
        await exchange.json(200, stored.as_openai())

    async def list(self, exchange: Exchange, tenant: str) -> None:
        """List the newest files, or the oldest."""
        query = Query(exchange)
        order, limit = query.word("order", ("asc", "desc")), query.limit(MOST_LISTED)

        def read() -> dict[str, object]:
            found = self._store.listed(
                tenant,
                purpose=query.word("purpose"),
                after=query.word("after"),
                oldest_first=order == "asc",
            )
            return listing((stored.as_openai() for stored in found), limit)

        await exchange.json(200, await asyncio.to_thread(read))

    async def retrieve(self, exchange: Exchange, tenant: str, file_id: str) -> None:
        """Tell what is known of a file."""
        await exchange.json(200, (await self._find(tenant, file_id)).as_openai())

    async def content(self, exchange: Exchange, tenant: str, file_id: str) -> None:
        """Send a file's content, as slowly as the client reads."""
        stored = await self._find(tenant, file_id)
        with await asyncio.to_thread(self._store.content(stored.id).open, "rb") as file:
            size = (b"content-length", b"%d" % stored.bytes)
            await exchange.start(200, [(b"content-type", b"application/octet-stream"), size])
            while data := await asyncio.to_thread(file.read, PIECE_BYTES):
                await exchange.piece(data)
        await exchange.piece(b"", more=False)

    async def delete(self, exchange: Exchange, tenant: str, file_id: str) -> None:
        """Remove a file; a batch that reads it goes on."""
        stored = await self._find(tenant, file_id)
        await asyncio.to_thread(self._store.remove, stored.id)
        await exchange.json(200, {"id": stored.id, "object": "file", "deleted": True})

    async def _find(self, tenant: str, file_id: str) -> StoredFile:
        stored = await asyncio.to_thread(self._store.get, file_id, tenant)
        if stored is None:
            raise not_found("file", file_id, "GET /v1/files lists yours")
        return stored


def _stored(upload: Upload, tenant: str) -> StoredFile:
    only(upload.fields, ("purpose",))
    purpose = upload.fields.get("purpose", "")
    if purpose not in PURPOSES:
        shown = repr(purpose[:60]) if purpose else "missing"
        raise RequestError(
            f"'purpose' is {shown}; give 'batch' for the requests of a batch (known: "
            f"{', '.join(PURPOSES)})",
            param="purpose",
            code="invalid_purpose",
        )
    name = (upload.filename or "upload")[:255]
    now = time.time()
    return StoredFile(new_id("file-", now), upload.size_bytes, int(now), name, purpose, tenant)


def _no_room(most_bytes: int) -> RequestError:
    return RequestError(
        f"the files here would take more than {most_bytes} bytes together; delete some with "
        "DELETE /v1/files/{id}, or raise RouterPolicy spec.batch.maxStorage",
        status=507,
        code="storage_full",
    )


def storage_error(error: OSError) -> RequestError:
    """Say that the disk does not take what is to be kept."""
    full = error.errno in FULL
    why = "the disk is full" if full else f"the disk cannot be written to ({error.strerror})"
    return RequestError(
        f"nothing can be stored: {why}; free space below TIERWISE_FILES_DIR, or make its volume "
        "larger",
        status=507,
        code="storage_full" if full else "storage_failed",
    )
