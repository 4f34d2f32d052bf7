"""Building images from Dockerfiles with buildah, on a base that debootstrap makes.

No daemon and no registry: the base comes from the Debian packages this machine already knows
how to reach, and everything is kept in a store of our own below the cache. What nobody can use any
more goes at each build: working containers of builds that were killed, images without a name.
"""

import configparser
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .console import step
from .locks import locked
from .paths import REPOSITORY, cache_root
from .shell import run, stream, succeeds

SUITE = "bookworm"
BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates")
# Weight without use in a container: documents, manuals, translations, package lists.
_UNUSED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt")
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "cert")
_BASE_PREFIX = "base-"
_STAGE = re.compile(r"^FROM\s+\S+\s+AS\s+(\S+)", re.IGNORECASE | re.MULTILINE)


def build(name: str, reference: str) -> str:
    """Build `images/<name>/Dockerfile` with the repository as context; return the image id.

    Unchanged layers come from the cache, and an unchanged image keeps its id.
    """
    dockerfile = REPOSITORY / "images" / name / "Dockerfile"
    with locked(_store()):
        _remove_what_killed_builds_left()
        base = _base()
        with step(f"image {reference}") as detail:
            for target in _targets(dockerfile, reference):
                words = [
                    *(*_command(), "bud", "--isolation", "chroot", "--layers"),
                    *("--build-arg", f"BASE={base}", *_pip_arguments(), *_trust_volumes()),
                    *(*target, "--file", str(dockerfile), str(REPOSITORY)),
                ]
                stream(words, lambda line: detail(line[:60]))
            run([*_command(), "rmi", "--prune"])
        return _image_id(reference)


def export(image_id: str, reference: str, archive: Path) -> None:
    """Write an image as a docker-archive that names it `reference`."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    # By its id: another checkout may have given the reference to an image of its own since.
    with locked(_store()):
        run([*_command(), "push", image_id, f"docker-archive:{unfinished}:{reference}"])
    unfinished.rename(archive)


def _targets(dockerfile: Path, reference: str) -> Iterator[tuple[str, ...]]:
    """What to build, in order: each stage, then the image.

    A stage is the parent of no image, so nothing but a name of its own keeps its layers from
    being pruned; without them, every build would install the dependencies again.
    """
    for stage in _STAGE.findall(dockerfile.read_text()):
        yield ("--target", stage, "--tag", f"{reference}-{stage}")
    yield ("--tag", reference)


def _remove_what_killed_builds_left() -> None:
    """Working containers, each mounted for ever, and bases half made: we hold the store's lock."""
    run([*_command(), "rm", "--all"])
    for unfinished in _store().glob(f"{_BASE_PREFIX}*"):
        shutil.rmtree(unfinished)


def _store() -> Path:
    return cache_root() / "containers"


def _command() -> tuple[str, ...]:
    """Buildah on a store of our own: the machine's own images stay as they are."""
    runroot = cache_root() / "containers.run"
    return ("buildah", "--root", str(_store()), "--runroot", str(runroot))


def _image_id(reference: str) -> str:
    words = ("inspect", "--type", "image", "--format", "{{.FromImageID}}")
    return run([*_command(), *words, reference]).strip()


def _base() -> str:
    """The image that Dockerfiles start FROM here, made once."""
    key = hashlib.sha256(repr((SUITE, BASE_PACKAGES, _UNUSED)).encode()).hexdigest()[:12]
    reference = f"localhost/tierwise-base:{key}"
    if not succeeds([*_command(), "inspect", "--type", "image", reference]):
        with step(f"base image: Debian {SUITE} with {', '.join(BASE_PACKAGES)}"):
            _make_base(reference)
    return reference


def _make_base(reference: str) -> None:
    with tempfile.TemporaryDirectory(dir=_store(), prefix=_BASE_PREFIX) as folder:
        root = Path(folder) / "root"
        packages = f"--include={','.join(BASE_PACKAGES)}"
        # In a mount namespace of its own, since it leaves a /proc mounted in the new root.
        debootstrap = ("unshare", "--mount", "debootstrap", "--variant=minbase")
        run([*debootstrap, packages, SUITE, root, *_mirror()])
        for unused in _UNUSED:
            shutil.rmtree(root / unused, ignore_errors=True)
        _commit(root, reference)


def _commit(root: Path, reference: str) -> None:
    container = run([*_command(), "from", "scratch"]).strip()
    try:
        run([*_command(), "copy", "--quiet", container, root, "/"])
        run([*_command(), "config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container])
        run([*_command(), "commit", "--quiet", container, reference])
    finally:
        run([*_command(), "rm", container])


def _mirror() -> tuple[str, ...]:
    """Where apt fetches this suite from; on another system, debootstrap's own default."""
    fields = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    listed = run(["apt-get", "indextargets", "--format", fields, "Created-By: Packages"])
    for line in listed.splitlines():
        codename, component, uri = line.split(" ", 2)
        if (codename, component) == (SUITE, "main"):
            return (uri,)
    return ()


def _pip_arguments() -> Iterator[str]:
    """This machine's pip settings, for the pip inside the build; nothing of them is kept."""
    for setting in _PIP_SETTINGS:
        value = _pip_setting(setting)
        if value:
            yield from ("--build-arg", f"PIP_{setting.upper().replace('-', '_')}={value}")


def _pip_setting(setting: str) -> str | None:
    """A setting of pip: from the environment, else from its most specific configuration file."""
    from_environment = os.environ.get(f"PIP_{setting.upper().replace('-', '_')}")
    home, chosen = Path.home(), os.environ.get("PIP_CONFIG_FILE")
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    parser = configparser.RawConfigParser()
    parser.read([*files, Path(chosen)] if chosen else files)
    return from_environment or parser.get("global", setting, fallback=None)


def _trust_volumes() -> Iterator[str]:
    """The authorities this machine trusts, also where a proxy signs for the registry."""
    trusted = {_CA_BUNDLE, Path(_pip_setting("cert") or _CA_BUNDLE)}
    for bundle in sorted(trusted):
        if bundle.is_file():
            yield from ("--volume", f"{bundle}:{bundle}:ro")
