"""The API server, as far as the operator needs it: plain JSON objects in and out."""

import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from tierwise_core.errors import TierwiseError
from tierwise_operator.kinds import POD, Kind
from tierwise_operator.login import log_in

FIELD_MANAGER = "tierwise-operator"
PAGE = 500
TIMEOUT_SECONDS = 30.0
LONGEST_LOG = 32 * 2**20
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

REFUSALS = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY}
)
# A field that the schema does not have is an internal error to server-side apply (status 500).
UNTYPED = "failed to create typed patch object"

Json = Mapping[str, Any]


class ClusterError(TierwiseError):
    """The API server refused or did not answer; ``status`` is 0 when there was no answer."""

    reason = "ClusterError"
    retryable = True

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def rejected(self) -> bool:
        """Whether the object itself was refused, so that trying again alone will not help."""
        return self.status in REFUSALS or UNTYPED in str(self)


class Cluster(Protocol):
    """What the operator asks of an API server."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return an object, or None when it does not exist."""

    def objects(
        self, kind: Kind, namespace: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        """Yield all objects of a kind, or those of a namespace, that its selectors admit."""

    async def apply(
        self, kind: Kind, body: Json, subresource: str = "", manager: str = FIELD_MANAGER
    ) -> Json:
        """Server-side apply an object, taking over fields that others had changed.

        What a ``manager`` has applied before and leaves out now goes; others' fields stay.
        """

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete the object of that uid; one that is gone already is no error."""

    async def create(self, kind: Kind, body: Json) -> Json:
        """Create an object."""

    async def replace(self, kind: Kind, body: Json) -> Json:
        """Replace an object of the same resourceVersion."""

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        """Return what a container has written so far."""


class KubernetesCluster:
    """A real API server, by KUBECONFIG or, in a pod, by the service account."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    @classmethod
    async def connect(cls) -> "KubernetesCluster":
        """Return a client for the cluster that the environment names."""
        configuration = Configuration()
        await log_in(configuration)
        return cls(ApiClient(configuration))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    @property
    def server(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return an object, or None when it does not exist."""
        try:
            return await self.call("GET", kind.path(namespace, name))
        except ClusterError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def objects(
        self, kind: Kind, namespace: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        """Yield all objects of a kind, or those of a namespace, that its selectors admit."""
        query: dict[str, str] = {**kind.query, "limit": str(PAGE)}
        headers = {"Accept": METADATA_ONLY} if metadata_only else {}
        while True:
            page = await self.call("GET", kind.path(namespace), query, headers=headers)
            for item in page["items"] or ():  # a list of metadata alone has null for none
                yield item
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    async def apply(
        self, kind: Kind, body: Json, subresource: str = "", manager: str = FIELD_MANAGER
    ) -> Json:
        """Server-side apply an object, taking over fields that others had changed."""
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return await self.call("PATCH", path, query, body, headers)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete the object of that uid; one that is gone already is no error."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self.call("DELETE", kind.path(namespace, name), body=body)
        except ClusterError as error:
            if error.status not in {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
                raise

    async def create(self, kind: Kind, body: Json) -> Json:
        """Create an object."""
        path = kind.path(body["metadata"].get("namespace", ""))
        return await self.call("POST", path, {"fieldManager": FIELD_MANAGER}, body)

    async def replace(self, kind: Kind, body: Json) -> Json:
        """Replace an object of the same resourceVersion."""
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return await self.call("PUT", path, {"fieldManager": FIELD_MANAGER}, body)

    async def logs(self, namespace: str, pod: str, container: str) -> str:
        """Return what a container has written so far, up to :data:`LONGEST_LOG` bytes."""
        path = POD.path(namespace, pod, "log")
        query = {"container": container, "limitBytes": str(LONGEST_LOG)}
        return (await self._answer("GET", path, query)).decode(errors="replace")

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Send one request and return the JSON of its answer.

        Raises:
            ClusterError: the answer is an error, or there is none.
        """
        parsed: Json = json.loads(await self._answer(method, path, query, body, headers))
        return parsed

    async def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request and return the content of a good answer."""
        request = (method, path, query or {}, body, headers or {})
        status, content = await self._send(*request)
        if status == HTTPStatus.UNAUTHORIZED:  # the token was rotated
            await log_in(self._client.configuration)
            status, content = await self._send(*request)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ClusterError(f"{method} {path}: {_explained(content)}", status)
        return content

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Json | None,
        headers: Mapping[str, str],
    ) -> tuple[int, bytes]:
        """Send one request and return status and content of whatever answer comes."""
        sent = await self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=dict(headers),
            body=body,
            auth_settings=["BearerToken"],
        )
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            answer = await self._client.call_api(*sent, _request_timeout=timeout)
            return answer.status, await answer.read()  # type: ignore[no-untyped-call]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ClusterError(f"{method} {path}: no answer: {error!r}") from error


def _explained(content: bytes) -> str:
    """Return what a Status object says, or whatever else came."""
    try:
        return str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        return content[:500].decode(errors="replace")
