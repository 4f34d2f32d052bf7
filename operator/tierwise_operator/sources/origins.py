"""Which origin a source has, with what it needs to be asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

import httpx

from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource
from tierwise_operator.sources.artifact import Artifact
from tierwise_operator.sources.credentials import NO_CREDENTIALS, Credentials
from tierwise_operator.sources.hub_http import HubRepository
from tierwise_operator.sources.hub_tree import HubTree
from tierwise_operator.sources.object_store import BucketPrefix
from tierwise_operator.sources.oci_reference import parse_reference
from tierwise_operator.sources.origin import Origin
from tierwise_operator.sources.registry import Registry

__all__ = ["DEFAULT_ENDPOINT", "Access", "origin_of"]

DEFAULT_ENDPOINT: Final = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class Access:
    """How sources are reached from here.

    Attributes:
        client: makes the HTTP requests; its timeouts hold for each of them.
        hub_endpoint: ``HF_ENDPOINT``, the Hub or a mirror of it.
        hub_token: for repositories of the Hub when ``credentials`` have none.
        s3_endpoint: a store that speaks S3, where it is not Amazon's and the Secret names none.
        insecure_registries: OCI registries (``host:port``) that are spoken to without TLS.
        credentials: of this source.
    """

    client: httpx.AsyncClient
    hub_endpoint: str = DEFAULT_ENDPOINT
    hub_token: str | None = field(default=None, repr=False)
    s3_endpoint: str | None = None
    insecure_registries: tuple[str, ...] = ()
    credentials: Credentials = NO_CREDENTIALS

    def mark(self) -> str:
        """A hash of the credentials: equal for who may read the same."""
        own = self.credentials
        given = (own.hf_token or self.hub_token, sorted(own.aws.items()), own.docker_config)
        return hashlib.sha256(repr(given).encode()).hexdigest()

    def repository(self, where: ModelSource) -> HubRepository:
        """The repository of an ``hf://`` source."""
        return HubRepository(
            self.client,
            self.hub_endpoint.rstrip("/"),
            where.location,
            where.revision,
            self.credentials.hf_token or self.hub_token,
        )


def origin_of(where: ModelSource, access: Access) -> Origin:
    """The origin of a source that is reached over the network.

    Raises:
        UnsupportedSourceError: it lies on a node or in a claim, where there is nothing to fetch.
        UnauthorizedError: the given Secret lacks what the source needs.
    """
    access.credentials.require(where.scheme)
    match where.scheme:
        case "hf":
            return HubTree(access.repository(where))
        case "s3":
            return BucketPrefix(where.location, access.credentials, access.s3_endpoint)
        case "oci":
            reference = parse_reference(where.location, where.revision)
            insecure = access.insecure_registries
            return Artifact(Registry(access.client, reference, access.credentials, insecure))
    raise UnsupportedSourceError(
        f"{where.scheme}://{where.location} is mounted, not fetched; give an hf://, s3:// or "
        "oci:// source"
    )
