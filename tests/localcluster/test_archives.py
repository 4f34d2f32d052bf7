"""Images written without a builder are what containerd expects of a docker-archive."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from localcluster.archive import ScratchImage, digest_of


@pytest.fixture
def image(tmp_path: Path) -> ScratchImage:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    return ScratchImage(
        "localhost/pause:1",
        entrypoint=("/pause",),
        programs={"/pause": program},
        texts={"/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
        folders=(("/tmp", 0o1777),),  # noqa: S108
    )


def member(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as opened:
        found = opened.extractfile(name)
        assert found is not None
        return found.read()


def layer_of(archive: Path) -> tarfile.TarFile:
    manifest = json.loads(member(archive, "manifest.json"))[0]
    return tarfile.open(fileobj=io.BytesIO(member(archive, manifest["Layers"][0])))


def test_the_manifest_leads_to_a_configuration_that_names_the_layer(
    image: ScratchImage, tmp_path: Path
) -> None:
    archive = image.write(tmp_path / "image.tar")
    manifest: dict[str, Any] = json.loads(member(archive, "manifest.json"))[0]
    config = json.loads(member(archive, manifest["Config"]))
    layer = member(archive, manifest["Layers"][0])
    assert manifest["RepoTags"] == ["localhost/pause:1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Entrypoint"] == ["/pause"]


def test_programs_can_be_run_and_folders_keep_their_mode(
    image: ScratchImage, tmp_path: Path
) -> None:
    with layer_of(image.write(tmp_path / "image.tar")) as layer:
        modes = {entry.name: entry.mode for entry in layer.getmembers()}
    assert modes == {"pause": 0o755, "etc/passwd": 0o644, "tmp": 0o1777}


def test_the_same_files_give_the_same_bytes(image: ScratchImage, tmp_path: Path) -> None:
    first, second = image.write(tmp_path / "1.tar"), image.write(tmp_path / "2.tar")
    assert digest_of(first) == digest_of(second)


def test_a_changed_program_gives_another_digest(image: ScratchImage, tmp_path: Path) -> None:
    before = digest_of(image.write(tmp_path / "1.tar"))
    (tmp_path / "pause").write_bytes(b"\x7fELF2")
    assert digest_of(image.write(tmp_path / "2.tar")) != before
