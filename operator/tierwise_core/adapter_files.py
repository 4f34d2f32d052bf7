"""Where an engine pod finds the files of its adapters, and the mounts that make it so.

A pod that runs can be given no new mount. So what is mounted is wider than one adapter, and an
adapter that comes later is most often there already:

====== ==========================================================================================
scheme what the pod gets
====== ==========================================================================================
file   the directory around the model's own, and the one around each adapter's, at the same path
pvc    the whole claim of the model, and of each adapter
hf     the engine downloads it into the cache volume that models of the Hub use
====== ==========================================================================================

Only an adapter in a directory or claim that no other one uses changes the mounts, and with them
the revision: new pods then take over from the old ones.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from posixpath import dirname
from typing import Any

from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source
from tierwise_core.revision import digest, dns_label
from tierwise_core.specialist import ModelSpec
from tierwise_core.weights import Weights, weights

CLAIMS_PATH = "/mnt/tierwise/claims"

Mount = tuple[dict[str, Any], dict[str, Any]]
"""A volume and where it is mounted, both in the pod template's words."""


def adapter_path(source: str) -> str:
    """Return what the engine is told to load: a directory in the pod, or a repository of the Hub.

    Raises:
        UnsupportedSourceError: the source is none, or one that no running pod can be given.

    >>> adapter_path("file:///models/adapters/customer-a")
    '/models/adapters/customer-a'
    >>> adapter_path("pvc://models/adapters/customer-a")
    '/mnt/tierwise/claims/models/adapters/customer-a'
    """
    parsed = parse_source(source)
    match parsed.scheme:
        case "file":
            return parsed.location
        case "pvc":
            return f"{CLAIMS_PATH}/{parsed.location}"
        case "hf":
            return parsed.location
        case _:
            raise UnsupportedSourceError(
                f'source: "{source}" cannot be given to a pod that runs; put the adapter on the '
                "nodes (file://), in a claim (pvc://) or on the Hub (hf://)"
            )


def adapter_weights(model: ModelSpec, hf_endpoint: str | None = None) -> Weights:
    """Return what the pods of a model need to reach its adapters; nothing when it takes none.

    An adapter whose source is none is passed over: it is refused by itself, not with its pods.

    >>> from tierwise_core.specialist import Adapter
    >>> model = ModelSpec("file:///models/sorter", adapters=(Adapter("a", "file:///models/a"),))
    >>> [mount["mountPath"] for mount in adapter_weights(model).mounts]
    ['/models']
    """
    if model.lora is None:
        return Weights("")
    adapters = list(_parsed(adapter.source for adapter in model.adapters))
    parsed = [parse_source(model.source), *adapters]
    directories = _outermost(_around(source.location) for source in parsed if _is(source, "file"))
    claims = sorted({source.location.partition("/")[0] for source in parsed if _is(source, "pvc")})
    mounted = [*map(_directory, directories), *map(_claim, claims)]
    remote = [weights("hf://" + a.location, "", hf_endpoint) for a in adapters if _is(a, "hf")]
    return Weights(
        "",
        volumes=(*(volume for volume, _ in mounted), *(v for w in remote for v in w.volumes)),
        mounts=(*(mount for _, mount in mounted), *(m for w in remote for m in w.mounts)),
        env=tuple(variable for w in remote for variable in w.env),
        local=not remote,
    )


def _parsed(sources: Iterable[str]) -> Iterator[ModelSource]:
    for source in sources:
        with suppress(UnsupportedSourceError):
            yield parse_source(source)


def _is(source: ModelSource, scheme: str) -> bool:
    return source.scheme == scheme


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
