"""Programs that come from the system's packages, and installing those that are missing."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .console import say, step
from .containerd import cni_folder
from .shell import run


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package and the sign that what we need of it is here, from whatever source."""

    name: str
    present: Callable[[], bool]


def _command(name: str) -> Callable[[], bool]:
    return lambda: shutil.which(name) is not None


NODE_PACKAGES = (
    Package("containerd", lambda: _command("containerd")() and _command("ctr")()),
    Package("runc", _command("runc")),
    Package("containernetworking-plugins", lambda: cni_folder() is not None),
    Package("nftables", _command("nft")),
    Package("iproute2", _command("ip")),
    Package("util-linux", lambda: _command("nsenter")() and _command("unshare")()),
)
IMAGE_PACKAGES = (
    Package("buildah", _command("buildah")),
    Package("debootstrap", _command("debootstrap")),
)


def missing(packages: Sequence[Package]) -> list[str]:
    """Names of the packages whose programs are not here."""
    return [package.name for package in packages if not package.present()]


def install(packages: Sequence[Package]) -> None:
    """Install what is missing by apt, and say so first."""
    names = missing(packages)
    if not names:
        return
    say(f"-> missing on this machine, installed now by apt-get: {', '.join(names)}")
    # Run level 1 keeps the packages from starting daemons of their own: ours are separate.
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with step("apt-get update"):
        run(["apt-get", "update", "-q"], env=quiet)
    with step(f"apt-get install {' '.join(names)}"):
        flags = ["-q", "-y", "--no-install-recommends"]
        run(["apt-get", "install", *flags, *names], env=quiet)
