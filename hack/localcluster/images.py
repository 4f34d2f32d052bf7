"""Images: those every node holds, and the project's own from its Dockerfiles, without Docker."""

import os
from pathlib import Path

from . import engine, tools
from .archive import ScratchImage, digest_of
from .containerd import ImageStore
from .paths import cache_root

PROJECT_IMAGES = {
    "operator": "localhost/tierwise-operator:dev",
    "router": "localhost/tierwise-router:dev",
}

_SUITE = "bookworm"
_BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates")
_PIP_SETTINGS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
)
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


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
        archive = image.write(cache_root() / "images" / f"{name}.{os.getpid()}.tar")
        try:
            store.ensure(image.reference, archive, digest_of(archive))
        finally:
            archive.unlink()
