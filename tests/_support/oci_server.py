"""A small OCI registry on the loopback: token service, manifests, blobs on another host.

Builders make the artifacts as the tools push them: an image, a ModelKit, a ModelPack, ORAS files.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from loopback import Loopback, Served, serving

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
IMAGE_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
MODELPACK: Final = "application/vnd.cncf.model"
KIT: Final = "application/vnd.kitops.modelkit"
LOGIN: Final = ("reader", "s3cret")
TOKEN: Final = "a-token"


def digest(content: bytes) -> str:
    """How a registry names content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tarball(files: Mapping[str, bytes], *, zipped: bool = False, pax: bool = False) -> bytes:
    """An archive of files."""
    buffer = io.BytesIO()
    form = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0) if zipped else buffer.getvalue()


@dataclass
class FakeRegistry(Served):
    """Blobs and manifests by repository; ``private`` ones need the login."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], bytes] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    basic: bool = False
    storage: str = ""
    storage_requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Host and port, as they stand in a reference."""
        return self.endpoint.removeprefix("http://")

    def docker_config(self, login: tuple[str, str] = LOGIN) -> str:
        """What kubectl create secret docker-registry writes."""
        word = base64.b64encode(":".join(login).encode()).decode()
        return json.dumps({"auths": {self.host: {"auth": word}}})

    def layer(self, media: str, content: bytes, **annotations: str) -> dict[str, Any]:
        """Upload a blob; returns its descriptor."""
        self.blobs[digest(content)] = content
        return {
            "mediaType": media,
            "digest": digest(content),
            "size": len(content),
            "annotations": {key.replace("__", "."): value for key, value in annotations.items()},
        }

    def push(self, name: str, *layers: dict[str, Any], **more: Any) -> str:
        """Upload a manifest under ``repository:tag``; returns its digest."""
        repository, _, tag = name.partition(":")
        config = self.layer("application/vnd.oci.image.config.v1+json", b"{}")
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, **more}
        return self.put(repository, tag, {**manifest, "layers": list(layers)})

    def put(self, repository: str, tag: str, document: dict[str, Any]) -> str:
        """Upload any document as a manifest."""
        body = json.dumps(document).encode()
        self.manifests[repository, tag] = self.manifests[repository, digest(body)] = body
        return digest(body)


class _Registry(Loopback):
    served: FakeRegistry

    def answer(self) -> None:
        if self.path.startswith("/token"):
            self._give_token()
            return
        repository, kind, name = self._parts()
        if repository in self.served.private and not self._is_allowed():
            self._challenge(repository)
        elif kind == "manifests":
            self._manifest(repository, name)
        else:
            self._blob(name)

    def _parts(self) -> tuple[str, str, str]:
        inner = self.path.removeprefix("/v2/")
        for kind in ("manifests", "blobs"):
            repository, found, name = inner.partition(f"/{kind}/")
            if found:
                return repository, kind, name
        return inner, "", ""

    def _is_allowed(self) -> bool:
        login = base64.b64encode(":".join(LOGIN).encode()).decode()
        wanted = f"Basic {login}" if self.served.basic else f"Bearer {TOKEN}"
        return self.headers.get("Authorization") == wanted

    def _challenge(self, repository: str) -> None:
        realm = f'Bearer realm="{self.served.endpoint}/token",service="fake"'
        scope = f'{realm},scope="repository:{repository}:pull"'
        self.say(401, b"", {"WWW-Authenticate": 'Basic realm="x"' if self.served.basic else scope})

    def _give_token(self) -> None:
        login = base64.b64encode(":".join(LOGIN).encode()).decode()
        asked = parse_qs(urlsplit(self.path).query)
        sound = asked.get("service") == ["fake"] and asked["scope"][0].endswith(":pull")
        if sound and self.headers.get("Authorization") == f"Basic {login}":
            self.say(200, json.dumps({"token": TOKEN}).encode())
        else:
            self.say(401)

    def _manifest(self, repository: str, name: str) -> None:
        body = self.served.manifests.get((repository, name))
        if body is None:
            self.say(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
            return
        trouble = self.in_trouble(name)
        if trouble is None or not trouble.status:
            self.send_file(body, {"Content-Type": MANIFEST}, trouble)

    def _blob(self, name: str) -> None:
        if name not in self.served.blobs:
            self.say(404)
        elif self.served.storage:
            self.say(307, b"", {"Location": f"{self.served.storage}/{name}"})
        else:
            trouble = self.in_trouble(name)
            if trouble is None or not trouble.status:
                self.send_file(self.served.blobs[name], {}, trouble)


class _Storage(Loopback):
    """The other host that blobs are redirected to."""

    served: FakeRegistry

    def answer(self) -> None:
        self.served.storage_requests.append(dict(self.headers.items()))
        self.send_file(self.served.blobs[self.path.lstrip("/")], {})


@contextmanager
def fake_registry(*, with_storage: bool = False, host: str = "127.0.0.1") -> Iterator[FakeRegistry]:
    """A running registry, with another host for blobs if asked for."""
    registry = FakeRegistry()
    with serving(_Registry, registry, host) as endpoint, serving(_Storage, registry) as storage:
        registry.endpoint = endpoint
        registry.storage = storage if with_storage else ""
        yield registry
