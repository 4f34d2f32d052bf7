"""Where PostgreSQL's programs are, and getting them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster.console import say, step
from localcluster.locks import locked
from localcluster.paths import cache_root
from localcluster.shell import run

__all__ = ["Programs", "ensure", "fetched"]

SYSTEM = Path("/usr/lib/postgresql")
NEEDED = ("initdb", "postgres")
ROOTS_CACHE = Path("/var/cache/tierwise")
COMPLETE = ".complete"
# What the server needs at run time; the rest of what Debian adds is for running it as a service.
WANTED = re.compile(
    r"postgresql(-client)?-\d+"
    r"|lib(pq5|icu\d+|xml2|xslt1\.1|ldap.*|sasl2-2|gssapi-krb5-2|k5crypto3|krb5.*|keyutils1"
    r"|com-err2|ssl\d.*|systemd0|pam0g|lz4-1|zstd1|uuid1)"
)


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of the programs, and of libraries that the system lacks."""

    folder: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """Give the environment to run them in."""
        if not self.libraries:
            return dict(os.environ)
        paths = [*map(str, self.libraries), os.environ.get("LD_LIBRARY_PATH", "")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(filter(None, paths))}


def ensure() -> Programs:
    """Find the programs: the system's newest, else those of the cache, else fetch them."""
    if (folder := _newest(SYSTEM)) is not None:
        return Programs(folder)
    return fetched()


def fetched() -> Programs:
    """Give the cache's programs; they are fetched the first time."""
    root = _cache() / "postgresql"
    with locked(root.with_suffix(".lock")):
        if not (root / COMPLETE).exists():
            _fetch(root)
    folder = _newest(root / "usr/lib/postgresql")
    if folder is None:
        raise SystemExit(f"{root} has no PostgreSQL; remove it and try again")
    libraries = {path.parent for path in (root / "usr/lib").glob("*-linux-gnu/*.so*")}
    return Programs(folder, tuple(sorted(libraries)))


def _cache() -> Path:
    """The cache; root's is outside of its home, into which the server's user may not look."""
    return ROOTS_CACHE if os.geteuid() == 0 else cache_root()


def _newest(root: Path) -> Path | None:
    found = [
        path
        for path in root.glob("*/bin")
        if all((path / name).exists() for name in NEEDED) and path.parent.name.isdigit()
    ]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def _fetch(root: Path) -> None:
    if shutil.which("apt-get") is None:
        raise SystemExit(
            "no PostgreSQL in /usr/lib/postgresql, and no apt-get to fetch it with. Fix: install "
            "PostgreSQL 14 or newer, so that /usr/lib/postgresql/VERSION/bin/initdb exists"
        )
    say("-> missing on this machine, unpacked into the cache now: PostgreSQL")
    if os.geteuid() == 0:
        with step("apt-get update"):
            run(["apt-get", "update", "-q"])
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    names = list(_missing(_server_package()))
    with tempfile.TemporaryDirectory() as folder, step(f"apt-get download {' '.join(names)}"):
        Path(folder).chmod(0o755)
        run(["apt-get", "download", "-q", *names], cwd=Path(folder))
        for package in sorted(Path(folder).glob("*.deb")):
            run(["dpkg-deb", "-x", str(package), str(root)])
    (root / COMPLETE).touch()


def _server_package() -> str:
    """Name the server's package of this system: ``postgresql-15`` on Debian 12."""
    depends = _output(["apt-cache", "depends", "--important", "postgresql"])
    found = re.search(r"Depends: (postgresql-\d+)", depends)
    if found is None:
        raise SystemExit("apt knows no package postgresql. Fix: apt-get update, and try again")
    return found.group(1)


def _missing(package: str) -> Iterable[str]:
    """Yield the package and what it needs, as far as the system does not have it."""
    asked = ["apt-cache", "depends", "--recurse", "--important", "--installed=no", package]
    for name in sorted(set(re.findall(r"^(\S+)$", _output(asked), flags=re.MULTILINE))):
        if WANTED.fullmatch(name) and not _is_installed(name):
            yield name


def _is_installed(name: str) -> bool:
    told = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", name], capture_output=True, text=True, check=False
    )
    return told.stdout.endswith(" installed") and not name.startswith("postgresql")


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
