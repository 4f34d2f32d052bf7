"""Building the cluster's programs from the Go tools modules, once per version.

A binary's folder is named by the module, its version and a hash of everything that goes
into the build, so a changed go.mod builds beside the old one and two checkouts share.
"""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .console import Detail, step
from .errors import PreflightError, Problem
from .locks import locked
from .paths import TOOLS, cache_root
from .shell import run, stream

_KUBERNETES_VERSION_VARIABLES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Module:
    """A Go module of tools: the dependency that gives it its version, and its programs."""

    name: str
    versioned_by: str
    programs: Mapping[str, str]
    stamps_version: bool = False
    stamps: Mapping[str, str] = field(default_factory=dict)
    source: Path = field(default=TOOLS)

    @property
    def folder(self) -> Path:
        """Where the module's go.mod lies."""
        return self.source / self.name

    @property
    def version(self) -> str:
        """The version of the dependency that names this module, as go.mod has it."""
        pattern = rf"^\s*(?:require )?{re.escape(self.versioned_by)} (v\S+)"
        found = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise LookupError(f"{self.folder}/go.mod does not require {self.versioned_by}")
        return found[1]

    @property
    def ldflags(self) -> str:
        """Linker flags: no debug symbols, and the version where the program reports one."""
        flags = ["-s", "-w", *(f"-X {name}={value}" for name, value in self.stamps.items())]
        if self.stamps_version:
            major, minor, _patch = self.version.removeprefix("v").split(".", 2)
            stamp = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
            stamp |= {"gitTreeState": "clean", "gitCommit": self.version}
            stamp |= {"buildDate": "1970-01-01T00:00:00Z"}
            for package in _KUBERNETES_VERSION_VARIABLES:
                flags += [f"-X {package}.{name}={value}" for name, value in stamp.items()]
        return " ".join(flags)

    @property
    def key(self) -> str:
        """Name of the cache folder: changes with anything that changes the binaries."""
        digest = hashlib.sha256(self.ldflags.encode())
        for path in sorted(self.folder.rglob("*")):
            if path.suffix in {".go", ".mod", ".sum"}:
                digest.update(str(path.relative_to(self.folder)).encode() + path.read_bytes())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def binary(self, program: str) -> Path:
        """Where a program of this module is, once built."""
        return cache_root() / "bin" / self.key / program


KUBERNETES = Module(
    name="kubernetes",
    versioned_by="k8s.io/kubernetes",
    stamps_version=True,
    programs={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubelet": "k8s.io/kubernetes/cmd/kubelet",
        "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
        "gpu-device-plugin": "./gpu-device-plugin",
        "pause": "./pause",
    },
)
HELM = Module(
    name="helm",
    versioned_by="helm.sh/helm/v3",
    programs={"helm": "helm.sh/helm/v3/cmd/helm"},
    # Which Kubernetes `helm template` renders for when it asks no cluster; else 1.20.
    stamps={
        f"helm.sh/helm/v3/pkg/{package}.k8sVersion{part}": number
        for package in ("chartutil", "lint/rules")
        for part, number in {"Major": "1", "Minor": "34"}.items()
    },
)
KWOK = Module("kwok", "sigs.k8s.io/kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"})
COREDNS = Module(
    name="coredns",
    versioned_by="github.com/coredns/coredns",
    programs={"coredns": "tierwise.dev/hack/tools/coredns"},
)

MODULES = (KUBERNETES, HELM, COREDNS, KWOK)
CONTROL_PLANE_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")
CLUSTER_PROGRAMS = (*KUBERNETES.programs, "coredns")
PROGRAMS = tuple(program for module in MODULES for program in module.programs)


def module_of(program: str) -> Module:
    """The module that a program is built from."""
    for module in MODULES:
        if program in module.programs:
            return module
    raise LookupError(f"no tools module builds {program!r}; known: {', '.join(PROGRAMS)}")


def binary(program: str) -> Path:
    """The path of a program, built first when the cache does not hold it."""
    ensure((program,))
    return module_of(program).binary(program)


def missing(programs: tuple[str, ...] = PROGRAMS) -> tuple[str, ...]:
    """Those of the programs that are not in the cache."""
    return tuple(name for name in programs if not module_of(name).binary(name).exists())


def ensure(programs: tuple[str, ...] = PROGRAMS) -> None:
    """Build those of the programs that are missing; the others cost nothing."""
    unbuilt = missing(programs)
    for module in MODULES:
        wanted = tuple(name for name in unbuilt if name in module.programs)
        if wanted:
            _build(module, wanted)


def go_problem(programs: tuple[str, ...] = PROGRAMS) -> Problem | None:
    """Why the missing programs cannot be built on this machine, if they cannot."""
    unbuilt = missing(programs)
    if not unbuilt:
        return None
    needed = max(_go_needed(module_of(name)) for name in unbuilt)
    spelled = ".".join(map(str, needed))
    fix = f"install Go {spelled} or newer from https://go.dev/dl and put its bin folder on PATH"
    go = _go()
    if go is None:
        return Problem(f"no Go compiler, and not built yet: {', '.join(unbuilt)}", fix)
    found = run([go, "env", "GOVERSION"], cwd=TOOLS).strip()
    if _numbers(found.removeprefix("go")) >= needed or "local" not in _toolchain(go):
        return None
    return Problem(f"{go} is {found}, and the tools modules need {spelled}", fix)


def _toolchain(go: str) -> str:
    """GOTOOLCHAIN: with anything but `local`, Go fetches the newer toolchain by itself."""
    return run([go, "env", "GOTOOLCHAIN"], cwd=TOOLS).strip()


def _go() -> str | None:
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


def _go_needed(module: Module) -> tuple[int, ...]:
    found = re.search(r"^go (\S+)", (module.folder / "go.mod").read_text(), re.MULTILINE)
    return _numbers(found[1]) if found else (1,)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version: `_numbers("1.26.8 X:nocoverage") == (1, 26, 8)`."""
    found = re.match(r"[0-9.]+", version)
    return tuple(int(part) for part in found[0].strip(".").split(".")) if found else ()


def _build(module: Module, programs: tuple[str, ...]) -> None:
    """Build several programs at once: what they share is compiled once, and linking overlaps."""
    problem = go_problem(programs)
    if problem is not None:
        raise PreflightError([problem])
    folder = module.binary(programs[0]).parent
    what = f"build {', '.join(programs)} (tools module {module.name} {module.version})"
    with step(what) as detail, locked(folder):
        unbuilt = missing(programs)
        if unbuilt:
            _go_build(module, unbuilt, folder, detail)


def _go_build(module: Module, programs: tuple[str, ...], folder: Path, detail: Detail) -> None:
    compiled = 0

    def line_seen(_line: str) -> None:
        nonlocal compiled
        compiled += 1
        detail(f"{compiled} packages compiled")

    flags = ("-v", "-trimpath", "-ldflags", module.ldflags)
    packages = [module.programs[program] for program in programs]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
        command = ["nice", "-n", "5", _go() or "go", "build", *flags, "-o", f"{unfinished}/"]
        stream([*command, *packages], line_seen, env={"CGO_ENABLED": "0"}, cwd=module.folder)
        for program, package in zip(programs, packages, strict=True):
            Path(unfinished, executable_name(package)).rename(module.binary(program))


def executable_name(package: str) -> str:
    """What `go build` calls the program of a package.

    >>> executable_name("go.etcd.io/etcd/server/v3"), executable_name("./pause")
    ('server', 'pause')
    """
    parts = [part for part in package.split("/") if not re.fullmatch(r"v[0-9]+", part)]
    return parts[-1]
