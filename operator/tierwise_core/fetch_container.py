"""The container that fetches a model before its engine starts, alone or into a shared cache.

Without a cache it is an ordinary init container. With one it is a sidecar: it fetches, the engine
starts when the model is there (its startup probe), and then it stays, in a few megabytes, to hold
the lease that keeps the model from being evicted; the lease ends with the pod.
"""

from collections.abc import Mapping
from typing import Any

from tierwise_core.delivery import Delivery
from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource

__all__ = [
    "FETCHER",
    "MODEL_LINK",
    "credentials_env",
    "fetcher",
    "fetcher_mounts",
    "fetcher_volumes",
    "token_env",
]

FETCHER = "weights"
COMMAND = ("python", "-m", "tierwise_operator.weights")
ROOT = "/mnt/tierwise/weights"
MODEL_LINK = f"{ROOT}/model"
CACHE_MOUNT = "/mnt/tierwise/cache"
CACHE_VOLUME = "weight-cache"

PROBE_SECONDS = 2
FETCH_SECONDS = 6 * 3600

HF_SECRET = "hf-token"  # noqa: S105 - the name of a Secret
HF_SECRET_KEY = "token"  # noqa: S105 - and of its key
S3_ENDPOINT = "TIERWISE_S3_ENDPOINT"  # a Secret's AWS_ENDPOINT_URL goes first
SECRET_KEYS: Mapping[str, Mapping[str, str]] = {
    "hf": {"HF_TOKEN": "HF_TOKEN"},
    "s3": {
        name: name
        for name in (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_REGION",
            "AWS_ENDPOINT_URL",
        )
    },
    "oci": {"TIERWISE_DOCKER_CONFIG_JSON": ".dockerconfigjson"},
}


def fetcher(
    source: ModelSource, delivery: Delivery, secret_name: str, hf_endpoint: str | None
) -> dict[str, Any]:
    """Return the container.

    Raises:
        UnsupportedSourceError: the operator was not told which image fetches.
    """
    if not delivery.image:
        raise UnsupportedSourceError(
            f"spec.model.source: {source.scheme}:// models are fetched before the engine starts, "
            "and the operator has no image for that; set the chart's weights.image "
            "(--weights-image)"
        )
    shared = delivery.is_shared
    user = delivery.run_as_user if shared else None
    container: dict[str, Any] = {
        "name": FETCHER,
        "image": delivery.image,
        "imagePullPolicy": delivery.pull_policy,
        "command": list(COMMAND),
        "args": _arguments(source, delivery),
        "env": _environment(source, delivery, secret_name, hf_endpoint),
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
            **({} if user is None else {"runAsUser": user}),
        },
        "volumeMounts": fetcher_mounts(delivery, read_only=False),
    }
    return {**container, **_sidecar()} if shared else container


def _sidecar() -> dict[str, Any]:
    return {
        "restartPolicy": "Always",
        "startupProbe": {
            "exec": {"command": ["test", "-d", f"{MODEL_LINK}/"]},
            "periodSeconds": PROBE_SECONDS,
            "failureThreshold": FETCH_SECONDS // PROBE_SECONDS,
        },
    }


def _arguments(source: ModelSource, delivery: Delivery) -> list[str]:
    revision = ("--revision", source.revision) if source.revision else ()
    cache = ("--cache", CACHE_MOUNT, "--hold") if delivery.is_shared else ()
    limit = delivery.cache_max_bytes if delivery.is_shared else None
    insecure = (
        word for host in delivery.insecure_registries for word in ("--insecure-registry", host)
    )
    return [
        "fetch",
        f"{source.scheme}://{source.location}",
        *revision,
        *("--to", MODEL_LINK),
        *cache,
        *(("--max-bytes", str(limit)) if limit is not None else ()),
        *(insecure if source.scheme == "oci" else ()),
        *("--termination-log", "/dev/termination-log"),
    ]


def _environment(
    source: ModelSource, delivery: Delivery, secret_name: str, hf_endpoint: str | None
) -> list[dict[str, Any]]:
    match source.scheme:
        case "hf":
            return [*_fixed("HF_ENDPOINT", hf_endpoint), token_env(secret_name)]
        case "s3":
            return [*_secret_env("s3", secret_name), *_fixed(S3_ENDPOINT, delivery.s3_endpoint)]
    return _secret_env(source.scheme, secret_name)


def credentials_env(
    delivery: Delivery, secret_name: str, hf_endpoint: str | None
) -> list[dict[str, Any]]:
    """Return the environment of a container that fetches from any kind of source."""
    return [
        *_fixed("HF_ENDPOINT", hf_endpoint),
        token_env(secret_name),
        *_secret_env("s3", secret_name),
        *_fixed(S3_ENDPOINT, delivery.s3_endpoint),
        *_secret_env("oci", secret_name),
    ]


def _fixed(name: str, value: str | None) -> list[dict[str, Any]]:
    return [{"name": name, "value": value}] if value else []


def token_env(secret_name: str) -> dict[str, Any]:
    """Return the Hub's token: out of the model's Secret, else of the optional ``hf-token``."""
    key = "HF_TOKEN" if secret_name else HF_SECRET_KEY
    reference = {"name": secret_name or HF_SECRET, "key": key, "optional": True}
    return {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}}


def _secret_env(scheme: str, secret_name: str) -> list[dict[str, Any]]:
    if not secret_name:
        return []
    return [
        {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": secret_name, "key": key, "optional": True}},
        }
        for variable, key in SECRET_KEYS[scheme].items()
    ]


def fetcher_volumes(delivery: Delivery) -> tuple[Mapping[str, Any], ...]:
    """Return the volume for the model or the link to it, and the cache's."""
    own = {"name": FETCHER, "emptyDir": {}}
    match delivery.cache:
        case "Node":
            path = {"path": delivery.cache_path, "type": "DirectoryOrCreate"}
            return (own, {"name": CACHE_VOLUME, "hostPath": path})
        case "Claim":
            claim = {"claimName": delivery.cache_claim}
            return (own, {"name": CACHE_VOLUME, "persistentVolumeClaim": claim})
    return (own,)


def fetcher_mounts(delivery: Delivery, *, read_only: bool) -> list[dict[str, Any]]:
    """Return where both containers see them: at the same places, as a link has to lead there."""
    mark = {"readOnly": True} if read_only else {}
    mounts: list[dict[str, Any]] = [{"name": FETCHER, "mountPath": ROOT, **mark}]
    if delivery.is_shared:
        mounts.append({"name": CACHE_VOLUME, "mountPath": CACHE_MOUNT, **mark})
    return mounts
