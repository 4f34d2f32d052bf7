"""The API server is found the way kubectl finds it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from tierwise_router.sources.kubeconfig import KubeconfigError, find_access


def write(folder: Path, user: object, server: str = "http://127.0.0.1:8001") -> dict[str, str]:
    config = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(config))
    return {"KUBECONFIG": str(path)}


def test_a_token_becomes_the_authorization(tmp_path: Path) -> None:
    access = find_access(write(tmp_path, {"token": "abc"}))

    assert access.server == "http://127.0.0.1:8001"
    assert access.authorization() == {"authorization": "Bearer abc"}


def test_a_renewed_token_file_counts_at_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    access = find_access(write(tmp_path, {"tokenFile": "token"}))
    assert access.authorization() == {"authorization": "Bearer one"}

    (tmp_path / "token").write_text("two\n")

    assert access.authorization() == {"authorization": "Bearer two"}


def test_a_credential_plugin_is_run(tmp_path: Path) -> None:
    told = json.dumps({"status": {"token": "from-plugin"}})
    command = {"command": sys.executable, "args": ["-c", f"print({told!r})"]}

    access = find_access(write(tmp_path, {"exec": command}))

    assert access.authorization() == {"authorization": "Bearer from-plugin"}


def test_a_plugin_that_fails_is_named(tmp_path: Path) -> None:
    command = {"command": "no-such-plugin"}

    with pytest.raises(KubeconfigError, match="no-such-plugin"):
        find_access(write(tmp_path, {"exec": command}))


def test_an_incomplete_kubeconfig_says_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("current-context: gone\n")

    with pytest.raises(KubeconfigError, match="contexts has no 'gone'"):
        find_access({"KUBECONFIG": str(path)})


def test_nowhere_to_be_found_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="KUBECONFIG is not set"):
        find_access({"HOME": str(tmp_path)})
