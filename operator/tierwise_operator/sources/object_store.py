"""A model under a prefix of an S3 bucket, or of a store that speaks S3 (``s3://``)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from obstore.exceptions import (
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from tierwise_core.errors import (
    SourceError,
    SourceNotFoundError,
    SourceUnreadableError,
    UnauthorizedError,
)
from tierwise_core.remote_files import RemoteFile, RemoteTree
from tierwise_operator.sources.credentials import Credentials
from tierwise_operator.sources.origin import BusyError

if TYPE_CHECKING:
    from obstore.store import S3Config  # exists for type checkers only

__all__ = ["BucketPrefix"]

DEFAULT_REGION: Final = "us-east-1"
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
READ_TIMEOUT: Final = timedelta(seconds=30)
REQUEST_TIMEOUT: Final = timedelta(minutes=30)
RETRY_TIMEOUT: Final = timedelta(seconds=20)
RANGE_BYTES: Final = 256 * 2**20
CHUNK_BYTES: Final = 2**20
MAX_FILES: Final = 10_000
MD5_HEX: Final = 32
STATUS: Final = re.compile(r"status code: (\d{3})")
STATUS_OF: Final[Mapping[type[Exception], HTTPStatus]] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    FileNotFoundError: HTTPStatus.NOT_FOUND,  # what the client makes of an object that is gone
    PermissionDeniedError: HTTPStatus.FORBIDDEN,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    PreconditionError: HTTPStatus.PRECONDITION_FAILED,
}

# Where the credentials come from when no Secret gives them: only what somebody set up on purpose,
# never the node's own role.
AMBIENT: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True, slots=True)
class BucketPrefix:
    """The objects below ``bucket/prefix``, an :class:`~tierwise_operator.sources.origin.Origin`."""

    location: str
    credentials: Credentials
    endpoint: str | None = None

    @property
    def label(self) -> str:
        """The source as it stands in the manifest."""
        return f"s3://{self.location}"

    @property
    def place(self) -> str:
        """Store and prefix."""
        return f"s3 {self.address or 'amazon'} {self.location}"

    @property
    def address(self) -> str | None:
        """The endpoint: the Secret's, else the given one; ``None`` for Amazon's."""
        return self.credentials.aws.get("AWS_ENDPOINT_URL") or self.endpoint

    async def tree(self) -> RemoteTree:
        """List the prefix; its revision is a hash of names, sizes and ETags."""
        found: list[RemoteFile] = []
        with self._told():
            async for batch in self._store().list():
                found += [_file(meta) for meta in batch if not meta["path"].endswith("/")]
                if len(found) > MAX_FILES:
                    raise SourceUnreadableError(
                        f"spec.model.source: {self.label} has over {MAX_FILES} objects; give the "
                        "prefix of one model"
                    )
        if not found:
            raise SourceNotFoundError(
                f"spec.model.source: {self.label} has no objects at {self.address or 'Amazon S3'}; "
                "check bucket and prefix"
            )
        files = tuple(sorted(found, key=lambda file: file.path))
        listing = "\n".join(f"{file.path} {file.size_bytes} {file.identity}" for file in files)
        return RemoteTree(hashlib.sha256(listing.encode()).hexdigest()[:40], files)

    async def file(self, path: str) -> RemoteFile:
        """Look one object up, whatever else lies below the prefix."""
        with self._told(path):
            return _file(await self._store().head_async(path))

    async def chunks(
        self, file: RemoteFile, start: int, stop: int | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield a range; the object must still be the one that was listed."""
        end = file.size_bytes if stop is None else min(stop, file.size_bytes)
        store = self._store()
        with self._told(file.path):
            while start < end:
                upto = min(end, start + RANGE_BYTES)
                options: Any = {"range": (start, upto)}
                if tag := _tag(file.identity):
                    options["if_match"] = f'"{tag}"'
                answer = await store.get_async(file.path, options=options)
                async for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                    yield bytes(chunk)
                start = upto

    def _store(self) -> S3Store:
        bucket, _, prefix = self.location.partition("/")
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=self._config(),
            client_options=_client(self.address),
            retry_config={"max_retries": 3, "retry_timeout": RETRY_TIMEOUT},
        )

    def _config(self) -> S3Config:
        aws = self.credentials.aws
        config: S3Config = {"region": _region(aws)}
        if "AWS_ACCESS_KEY_ID" in aws and "AWS_SECRET_ACCESS_KEY" in aws:
            config["access_key_id"] = aws["AWS_ACCESS_KEY_ID"]
            config["secret_access_key"] = aws["AWS_SECRET_ACCESS_KEY"]
            if "AWS_SESSION_TOKEN" in aws:
                config["session_token"] = aws["AWS_SESSION_TOKEN"]
        elif not any(os.environ.get(name) for name in AMBIENT):
            config["skip_signature"] = True
        if self.address:
            config["endpoint"] = self.address
        return config

    @contextmanager
    def _told(self, file: str = "") -> Iterator[None]:
        """Turn what the store's client says into our errors."""
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise self._meaning(error, file) from error

    def _meaning(self, error: Exception, file: str) -> SourceError:
        where = f"{self.label}/{file}" if file else self.label
        at = self.address or "Amazon S3"
        match _status(error):
            case HTTPStatus.NOT_FOUND:
                return SourceNotFoundError(
                    f"spec.model.source: {where} does not exist at {at}; check bucket and prefix"
                )
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return UnauthorizedError(self._refusal(where, at))
            case HTTPStatus.PRECONDITION_FAILED:
                return SourceUnreadableError(
                    f"spec.model.source: {where} changed while it was read; it is listed again",
                    retryable=True,
                )
            case HTTPStatus.MOVED_PERMANENTLY | HTTPStatus.BAD_REQUEST as status:
                return SourceUnreadableError(
                    f"spec.model.source: {at} answered {status} for {where}, as it does for a "
                    f"bucket of another region; set AWS_REGION in the Secret ({_short(error)})"
                )
        return BusyError(f"spec.model.source: {where}: {at} did not answer ({_short(error)})")

    def _refusal(self, where: str, at: str) -> str:
        given = "AWS_ACCESS_KEY_ID" in self.credentials.aws
        remedy = (
            f"the keys in {self.credentials.origin} must be valid and allow s3:ListBucket and "
            "s3:GetObject on it"
            if given
            else "set spec.model.secretRef to a Secret with AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
        return f"spec.model.source: {at} refuses {where}; {remedy}"


def _region(aws: Any) -> str:
    ambient = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return str(aws.get("AWS_REGION") or ambient or DEFAULT_REGION)


def _client(address: str | None) -> Any:
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": READ_TIMEOUT,
        "timeout": REQUEST_TIMEOUT,
        "allow_http": bool(address and address.startswith("http://")),
    }


def _file(meta: Any) -> RemoteFile:
    """An object as a file; an ETag of one upload is nearly always its MD5."""
    tag = str(meta.get("e_tag") or "").strip('"')
    is_md5 = len(tag) == MD5_HEX and "-" not in tag
    size = int(meta["size"])
    identity = f"md5:{tag}" if is_md5 else f"etag:{tag}:{size}"
    return RemoteFile(str(meta["path"]), size, identity)


def _tag(identity: str) -> str:
    kind, _, rest = identity.partition(":")
    return rest if kind == "md5" else rest.rpartition(":")[0]


def _status(error: Exception) -> int:
    """The HTTP status behind an error; a listing's has no class of its own."""
    for kind, status in STATUS_OF.items():
        if isinstance(error, kind):
            return status
    found = STATUS.search(str(error))
    return int(found[1]) if found else 0


def _short(error: Exception) -> str:
    """What the client says, in one line, without the debug print that follows."""
    text = str(error).partition("\n\nDebug source")[0]
    return " ".join(text.split())[:300]
