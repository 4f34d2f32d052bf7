"""A small S3 on the loopback that checks every signature (SigV4) for real.

It knows ListObjectsV2, GetObject with ranges and If-Match, and HeadObject, in path style.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from loopback import Loopback, Served, serving

KEY_ID: Final = "AKIDEXAMPLE"
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
PAGE: Final = 3


@dataclass
class FakeS3(Served):
    """Objects by bucket and key; ``public`` buckets need no signature."""

    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    public: set[str] = field(default_factory=set)
    region: str = "us-east-1"

    def tag(self, key: str, content: bytes) -> str:
        """The ETag: the MD5, or what a test says (an upload in parts, an encrypted bucket)."""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return f'"{self.tags.get(key, md5)}"'


class _S3(Loopback):
    served: FakeS3

    def answer(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if bucket not in self.served.objects:
            self._refuse(404, "NoSuchBucket")
        elif bucket not in self.served.public and not self._is_signed():
            self._refuse(403, "SignatureDoesNotMatch")
        elif not key:
            self._list(bucket, query)
        else:
            self._get(bucket, key)

    def _refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        self.say(status, body, {"Content-Type": "application/xml"})

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        if self.in_trouble(bucket):
            return
        prefix, after = query.get("prefix", ""), query.get("continuation-token", "")
        keys = [k for k in sorted(self.served.objects[bucket]) if k.startswith(prefix)]
        keys = [k for k in keys if k > after]
        page, rest = keys[:PAGE], keys[PAGE:]
        entries = "".join(self._entry(bucket, key) for key in page)
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        body = (
            f"<ListBucketResult><Name>{bucket}</Name><IsTruncated>{str(bool(rest)).lower()}"
            f"</IsTruncated>{token}<KeyCount>{len(page)}</KeyCount>{entries}</ListBucketResult>"
        )
        self.say(200, body.encode(), {"Content-Type": "application/xml"})

    def _entry(self, bucket: str, key: str) -> str:
        content = self.served.objects[bucket][key]
        tag = escape(self.served.tag(key, content), {'"': "&quot;"})
        return (
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z"
            f"</LastModified><ETag>{tag}</ETag><Size>{len(content)}</Size></Contents>"
        )

    def _get(self, bucket: str, key: str) -> None:
        content = self.served.objects[bucket].get(key)
        if content is None:
            self._refuse(404, "NoSuchKey")
            return
        tag = self.served.tag(key, content)
        if self.headers.get("If-Match", tag) != tag:
            self._refuse(412, "PreconditionFailed")
            return
        trouble = self.in_trouble(key)
        if trouble is None or not trouble.status:
            headers = {"ETag": tag, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
            self.send_file(content, headers, trouble)

    def _is_signed(self) -> bool:
        """Whether the signature is the one that our own key makes of this request."""
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme != "AWS4-HMAC-SHA256" or "Credential" not in fields:
            return False
        key_id, day, region, service, _ = fields["Credential"].split("/")
        scope = f"{day}/{region}/{service}/aws4_request"
        known = (key_id, region, service) == (KEY_ID, self.served.region, "s3")
        return known and hmac.compare_digest(self._signature(scope, fields), fields["Signature"])

    def _signature(self, scope: str, fields: dict[str, str]) -> str:
        parts = urlsplit(self.path)
        query = sorted(parse_qsl(parts.query, keep_blank_values=True))
        signed = fields["SignedHeaders"].split(";")
        canonical = "\n".join(
            [
                self.command,
                quote(unquote(parts.path), safe="/-_.~"),
                "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in query),
                *(f"{name}:{' '.join(self.headers[name].split())}" for name in signed),
                "",
                fields["SignedHeaders"],
                self.headers.get("x-amz-content-sha256", EMPTY_SHA256),
            ]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope, digest])
        key = f"AWS4{SECRET}".encode()
        for word in scope.split("/"):
            key = hmac.digest(key, word.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()


@contextmanager
def fake_s3(host: str = "127.0.0.1") -> Iterator[FakeS3]:
    """A running store."""
    store = FakeS3()
    with serving(_S3, store, host) as endpoint:
        store.endpoint = endpoint
        yield store
