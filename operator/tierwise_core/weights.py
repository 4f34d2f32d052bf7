"""How an engine pod reaches a model's files: volumes, mounts, environment and arguments by source.

====== =============================================================================
scheme what the pod gets
====== =============================================================================
file   the node's directory, read-only, at the same path
pvc    the claim, read-only; the rest of the URL is a path in it
oci    the image as a read-only volume (Kubernetes' ImageVolume)
hf     a cache volume, and the token of the optional Secret ``hf-token``
s3     nothing to mount: the engine streams it (``--load-format runai_streamer``)
====== =============================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierwise_core.model_source import parse_source

CACHE_PATH = "/var/cache/tierwise"
CACHE_VOLUME = "model-cache"
HF_SECRET = "hf-token"  # noqa: S105 - the name of a Secret
HF_SECRET_KEY = "token"  # noqa: S105 - and of its key


@dataclass(frozen=True, slots=True)
class Weights:
    """What one source adds to a pod; ``path`` is what the engine is told to load."""

    path: str
    volumes: tuple[Mapping[str, Any], ...] = ()
    mounts: tuple[Mapping[str, Any], ...] = ()
    env: tuple[Mapping[str, Any], ...] = ()
    args: tuple[str, ...] = ()
    local: bool = True


def weights(source: str, volume: str, hf_endpoint: str | None = None) -> Weights:
    """Return how a pod reaches ``source``; ``volume`` names the volume, if there is one.

    Raises:
        UnsupportedSourceError: it is no source; the message says how to write one.

    >>> weights("pvc://models/llama/8b", "weights").path
    '/mnt/tierwise/weights/llama/8b'
    >>> weights("s3://bucket/llama", "weights").args
    ('--load-format', 'runai_streamer')
    """
    parsed = parse_source(source)
    match parsed.scheme:
        case "file":
            return _on_node(parsed.location, volume)
        case "pvc":
            return _on_claim(parsed.location, volume)
        case "oci":
            return _mounted(volume, {"image": {"reference": parsed.location}}, "")
        case "hf":
            return _on_hub(parsed.location, hf_endpoint)
        case "s3":
            return Weights(source, args=("--load-format", "runai_streamer"), local=False)


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


def _on_hub(repository: str, hf_endpoint: str | None) -> Weights:
    token = {"name": HF_SECRET, "key": HF_SECRET_KEY, "optional": True}
    endpoint = ({"name": "HF_ENDPOINT", "value": hf_endpoint},) if hf_endpoint else ()
    return Weights(
        repository,
        volumes=({"name": CACHE_VOLUME, "emptyDir": {}},),
        mounts=({"name": CACHE_VOLUME, "mountPath": CACHE_PATH},),
        env=(
            {"name": "HF_HOME", "value": CACHE_PATH},
            {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": token}},
            *endpoint,
        ),
        local=False,
    )
