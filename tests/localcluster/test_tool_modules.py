"""Binaries are cached by everything that goes into them, and their modules are locked."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import tools
from localcluster.paths import TOOLS
from localcluster.tools import KUBERNETES, MODULES, PROGRAMS, Module


@pytest.fixture
def copied(tmp_path: Path) -> Module:
    shutil.copytree(KUBERNETES.folder, tmp_path / "kubernetes")
    return replace(KUBERNETES, source=tmp_path)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_has_a_version_and_a_lock(module: Module) -> None:
    assert module.version.startswith("v")
    assert (module.folder / "go.sum").stat().st_size > 0


def test_kubernetes_reports_the_version_that_go_mod_requires() -> None:
    stamp = f"-X k8s.io/component-base/version.gitVersion={KUBERNETES.version}"
    assert stamp in KUBERNETES.ldflags
    assert "gitMinor=34" in KUBERNETES.ldflags


def test_staging_modules_are_all_of_that_version() -> None:
    text = (TOOLS / "kubernetes" / "go.mod").read_text()
    replaced = [line.split() for line in text.splitlines() if "=> k8s.io/" in line]
    assert len(replaced) >= 30
    assert {line[-1] for line in replaced} == {KUBERNETES.version.replace("v1.", "v0.")}


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "pause/main.go"])
def test_the_key_follows_every_input(copied: Module, changed: str) -> None:
    before = copied.key
    with (copied.folder / changed).open("a") as handle:
        handle.write("\n// changed\n")
    assert copied.key != before


def test_the_key_is_the_same_in_every_checkout(copied: Module) -> None:
    assert copied.key == KUBERNETES.key


def test_the_key_follows_the_linker_flags() -> None:
    assert replace(KUBERNETES, stamps_version=False).key != KUBERNETES.key


def test_every_program_belongs_to_one_module() -> None:
    assert len(PROGRAMS) == len(set(PROGRAMS))
    assert all(program in tools.module_of(program).programs for program in PROGRAMS)


def test_an_unknown_program_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"'minikube'; known: etcd, kube-apiserver"):
        tools.module_of("minikube")


def test_a_machine_without_go_is_told_which_one_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIERWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(tools, "_go", lambda: None)
    problem = tools.go_problem(("etcd",))
    assert problem is not None
    assert "no Go compiler" in problem.what
    assert "install Go 1.2" in problem.fix


def test_built_programs_need_no_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIERWISE_CACHE", str(tmp_path))
    monkeypatch.setattr(tools, "_go", lambda: None)
    target = KUBERNETES.binary("etcd")
    target.parent.mkdir(parents=True)
    target.touch()
    assert tools.go_problem(("etcd",)) is None
    assert tools.missing(("etcd", "kubectl")) == ("kubectl",)
