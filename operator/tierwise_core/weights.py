"""How an engine pod reaches a model's files: volumes, mounts, environment and arguments by source.

====== =============================================================================
scheme what the pod gets
====== =============================================================================
file   the node's directory, read-only, at the same path
pvc    the claim, read-only; the rest of the URL is a path in it
hf     a volume the engine downloads to, and a token; with a weight cache it is fetched
s3     fetched by a container that runs before the engine, into the cache if there is one
oci    likewise
====== =============================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.delivery import Delivery
from tierwise_core.fetch_container import (
    MODEL_LINK,
    fetcher,
    fetcher_mounts,
    fetcher_volumes,
    token_env,
)
from tierwise_core.model_source import ModelSource, parse_source

CACHE_PATH = "/var/cache/tierwise"
CACHE_VOLUME = "model-cache"
ALONE = Delivery()


@dataclass(frozen=True, slots=True)
class Weights:
    """What one source adds to a pod; ``path`` is what the engine is told to load.

    ``local`` says that the engine needs no Hub, ``first`` are containers that run before it.
    """

    path: str
    volumes: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    env: tuple[Mapping[str, Any], ...] = ()
    first: tuple[Mapping[str, Any], ...] = ()
    local: bool = True


def weights(  # noqa: PLR0913 - what a pod may need for a source, all but the source optional
    source: str,
    volume: str,
    hf_endpoint: str | None = None,
    *,
    revision: str | None = None,
    secret_name: str = "",
    delivery: Delivery = ALONE,
) -> Weights:
    """Return how a pod reaches ``source``; ``volume`` names the volume, if there is one.

    Raises:
        UnsupportedSourceError: it is no source; the message says how to write one.

    >>> weights("pvc://models/llama/8b", "weights").path
    '/mnt/tierwise/weights/llama/8b'
    >>> weights("s3://bucket/llama", "weights", delivery=Delivery(image="operator")).path
    '/mnt/tierwise/weights/model'
    """
    parsed = parse_source(source, revision)
    match parsed.scheme:
        case "file":
            return _on_node(parsed.location, volume)
        case "pvc":
            return _on_claim(parsed.location, volume)
        case "hf" if not delivery.is_shared:
            return _on_hub(parsed.location, hf_endpoint, secret_name)
    return _fetched(parsed, delivery, secret_name, hf_endpoint)


def _fetched(
    source: ModelSource, delivery: Delivery, secret_name: str, hf_endpoint: str | None
) -> Weights:
    return Weights(
        MODEL_LINK,
        volumes=fetcher_volumes(delivery),
        mounts=tuple(fetcher_mounts(delivery, read_only=True)),
        first=(fetcher(source, delivery, secret_name, hf_endpoint),),
    )


def _on_node(path: str, volume: str) -> Weights:
    return Weights(
        path,
        volumes=({"name": volume, "hostPath": {"path": path, "type": "Directory"}},),
        mounts=({"name": volume, "mountPath": path, "readOnly": True},),
    )


def _on_claim(rest: str, volume: str) -> Weights:
    claim, _, inner = rest.partition("/")
    return _mounted(
        volume, {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}, inner
    )


def _mounted(volume: str, origin: Mapping[str, Any], inner: str) -> Weights:
    root = f"/mnt/tierwise/{volume}"
    return Weights(
        f"{root}/{inner}".rstrip("/"),
        volumes=({"name": volume, **origin},),
        mounts=({"name": volume, "mountPath": root, "readOnly": True},),
    )


def _on_hub(repository: str, hf_endpoint: str | None, secret_name: str) -> Weights:
    endpoint = ({"name": "HF_ENDPOINT", "value": hf_endpoint},) if hf_endpoint else ()
    return Weights(
        repository,
        volumes=({"name": CACHE_VOLUME, "emptyDir": {}},),
        mounts=({"name": CACHE_VOLUME, "mountPath": CACHE_PATH},),
        env=({"name": "HF_HOME", "value": CACHE_PATH}, token_env(secret_name), *endpoint),
        local=False,
    )
