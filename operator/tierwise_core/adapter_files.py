"""Where an engine pod finds the files of its adapters, and what of the pod makes it so.

A pod that runs can be given no new mount. So what is mounted is wider than one adapter, and an
adapter that comes later is most often there already:

=========== ====================================================================================
scheme      what the pod gets
=========== ====================================================================================
file        the directory around the model's own, and the one around each adapter's, same path
pvc         the whole claim of the model, and of each adapter
hf, s3, oci a container that fetches adapters when it is told to, into a volume of the pod
=========== ====================================================================================

Only an adapter in a directory or claim that no other one uses, or the first one that has to be
fetched, changes the pod template, and with it the revision: new pods then take over from the old.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from posixpath import dirname
from typing import Any

from tierwise_core.adapter_container import FETCHED_PATH, adapter_fetcher, fetched_volume
from tierwise_core.delivery import Delivery
from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.revision import digest, dns_label
from tierwise_core.specialist import ModelSpec
from tierwise_core.weights import ALONE, Weights

CLAIMS_PATH = "/mnt/tierwise/claims"
MOUNTED = frozenset({"file", "pvc"})

Mount = tuple[dict[str, Any], dict[str, Any]]
"""A volume and where it is mounted, both in the pod template's words."""


def adapter_path(source: str) -> str:
    """Return the directory in the pod that the engine is told to load.

    Raises:
        UnsupportedSourceError: the source is none.

    >>> adapter_path("file:///models/adapters/customer-a")
    '/models/adapters/customer-a'
    >>> adapter_path("pvc://models/adapters/customer-a")
    '/mnt/tierwise/claims/models/adapters/customer-a'
    >>> adapter_path("hf://acme/sorter-lora@v1")
    '/mnt/tierwise/adapters/8f60d9450992070d'
    """
    parsed = parse_source(source)
    match parsed.scheme:
        case "file":
            return parsed.location
        case "pvc":
            return f"{CLAIMS_PATH}/{parsed.location}"
    return f"{FETCHED_PATH}/{digest(source, 16)}"


def is_fetched(source: str) -> bool:
    """Say whether an adapter's files come over the network.

    >>> is_fetched("hf://acme/lora"), is_fetched("file:///models/a")
    (True, False)
    """
    return source.partition("://")[0] not in MOUNTED


def adapter_weights(
    model: ModelSpec, hf_endpoint: str | None = None, delivery: Delivery = ALONE
) -> Weights:
    """Return what the pods of a model need to reach its adapters; nothing when it takes none.

    An adapter whose source is none is passed over: it is refused by itself, not with its pods.

    >>> from tierwise_core.specialist import Adapter
    >>> model = ModelSpec("file:///models/sorter", adapters=(Adapter("a", "file:///models/a"),))
    >>> [mount["mountPath"] for mount in adapter_weights(model).mounts]
    ['/models']
    """
    if model.lora is None:
        return Weights("")
    parsed = [
        parse_source(model.source, model.revision),
        *_parsed(adapter.source for adapter in model.adapters),
    ]
    mounted = [*map(_directory, _directories(parsed)), *map(_claim, _claims(parsed))]
    first: tuple[dict[str, Any], ...] = ()
    if delivery.image and any(source.scheme not in MOUNTED for source in parsed):
        mounted.append(fetched_volume())
        first = (adapter_fetcher(delivery, model.secret_name, hf_endpoint),)
    return Weights(
        "",
        volumes=tuple(volume for volume, _ in mounted),
        mounts=tuple(mount for _, mount in mounted),
        first=first,
    )


def _directories(sources: Iterable[ModelSource]) -> list[str]:
    return _outermost(_around(one.location) for one in sources if one.scheme == "file")


def _claims(sources: Iterable[ModelSource]) -> list[str]:
    return sorted({one.location.partition("/")[0] for one in sources if one.scheme == "pvc"})


def _parsed(sources: Iterable[str]) -> Iterator[ModelSource]:
    for source in sources:
        with suppress(UnsupportedSourceError):
            yield parse_source(source)


def _around(path: str) -> str:
    """Return the directory around a directory; the root of the disk is never mounted.

    >>> _around("/models/sorter"), _around("/sorter")
    ('/models', '/sorter')
    """
    parent = dirname(path)
    return path if parent == "/" else parent


def _outermost(paths: Iterable[str]) -> list[str]:
    """Return the directories that lie in none of the others.

    >>> _outermost(["/models/adapters", "/srv", "/models", "/models"])
    ['/models', '/srv']
    """
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path.startswith(f"{outer}/") for outer in kept):
            kept.append(path)
    return kept


def _directory(path: str) -> Mount:
    name = f"adapters-{digest(path)}"
    # A directory that is not there must fail its adapter, not the pod.
    volume = {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    return volume, {"name": name, "mountPath": path, "readOnly": True}


def _claim(claim: str) -> Mount:
    name = dns_label(f"adapters-{claim}")
    origin = {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    return {"name": name, **origin}, {
        "name": name,
        "mountPath": f"{CLAIMS_PATH}/{claim}",
        "readOnly": True,
    }
