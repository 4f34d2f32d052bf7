"""Images: those that every node holds, and the project's own, on every node that lacks them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import buildah, engine, packages, tools
from .archive import ScratchImage, digest_of
from .console import step
from .containerd import ImageStore
from .locks import locked
from .paths import cache_root

PROJECT_IMAGES = {
    "operator": "localhost/tierwise-operator:dev",
    "router": "localhost/tierwise-router:dev",
}


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image in the store; its digest changes with the content, its reference does not."""

    name: str
    reference: str
    digest: str


class ImageStores(Protocol):
    """Whatever has nodes that hold images."""

    def stores(self) -> Mapping[str, ImageStore]:
        """Each node's images."""


def system_images() -> dict[str, ScratchImage]:
    """The images every node holds: the pause container, CoreDNS and the engine's empty one."""
    kubernetes, coredns = tools.KUBERNETES, tools.COREDNS
    return {
        "pause": ScratchImage(
            f"localhost/tierwise-pause:{kubernetes.version}",
            entrypoint=("/pause",),
            programs={"/pause": kubernetes.binary("pause")},
        ),
        "coredns": ScratchImage(
            f"localhost/tierwise-coredns:{coredns.version}",
            entrypoint=("/coredns",),
            programs={"/coredns": coredns.binary("coredns")},
        ),
        "engine": engine.image(),
    }


def load_system_images(store: ImageStore) -> None:
    """Import into a node the images that it cannot do without."""
    for name, image in system_images().items():
        archive = image.write(_archives() / f"{name}.{os.getpid()}.tar")
        try:
            store.ensure(image.reference, archive, digest_of(archive))
        finally:
            archive.unlink()


def build() -> Mapping[str, BuiltImage]:
    """Build the project's images from their Dockerfiles, by name."""
    packages.install(packages.IMAGE_PACKAGES)
    return {
        name: BuiltImage(name, reference, buildah.build(name, reference))
        for name, reference in PROJECT_IMAGES.items()
    }


def load(nodes: ImageStores, built: Mapping[str, BuiltImage]) -> None:
    """Import built images into each node that does not hold those very ones."""
    for image in built.values():
        stores = nodes.stores().items()
        lacking = {
            n: store for n, store in stores if not store.holds(image.reference, image.digest)
        }
        if lacking:
            # Another checkout must not take the file for an old one before every node has it.
            with locked(_archives()):
                archive = _exported(image)
                for node, store in lacking.items():
                    with step(f"image {image.reference} into {node}"):
                        store.ensure(image.reference, archive, image.digest)


def _archives() -> Path:
    return cache_root() / "images"


def _exported(image: BuiltImage) -> Path:
    """The image as one file; those of earlier builds are removed, and what a killed one left."""
    archive = _archives() / f"{image.name}-{image.digest[:12]}.tar"
    for other in _archives().glob(f"{image.name}-*"):
        if other != archive:
            other.unlink()
    if not archive.exists():
        with step(f"export {image.reference}"):
            buildah.export(image.digest, image.reference, archive)
    return archive
