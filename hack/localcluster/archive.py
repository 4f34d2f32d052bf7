"""Container images made of a few files, written as a docker-archive without any builder.

Deterministic: the same files give the same bytes, so an unchanged image is recognised.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EXECUTABLE = 0o755
_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class ScratchImage:
    """An image FROM scratch: programs, small text files and folders at their paths."""

    reference: str
    entrypoint: tuple[str, ...] = ()
    programs: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[tuple[str, int]] = ()

    def write(self, target: Path) -> Path:
        """Write the docker-archive."""
        layer = self._layer()
        digest = hashlib.sha256(layer).hexdigest()
        config = json.dumps(
            {
                "architecture": architecture(),
                "os": "linux",
                "config": {"Entrypoint": list(self.entrypoint), "Env": ["PATH=/usr/bin:/bin"]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created_by": "tierwise local cluster"}],
            }
        ).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps(
            [{"Config": config_name, "RepoTags": [self.reference], "Layers": [f"{digest}.tar"]}]
        ).encode()
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(target, "w") as archive:
            _add(archive, f"{digest}.tar", layer, _READABLE)
            _add(archive, config_name, config, _READABLE)
            _add(archive, "manifest.json", manifest, _READABLE)
        return target

    def _layer(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as layer:
            for folder, mode in self.folders:
                entry = tarfile.TarInfo(folder.strip("/"))
                entry.type, entry.mode = tarfile.DIRTYPE, mode
                layer.addfile(entry)
            for name, text in sorted(self.texts.items()):
                _add(layer, name.strip("/"), text.encode(), _READABLE)
            for name, program in sorted(self.programs.items()):
                _add(layer, name.strip("/"), program.read_bytes(), _EXECUTABLE)
        return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def architecture() -> str:
    """This machine's architecture, as images name it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def digest_of(path: Path) -> str:
    """A short digest of a file's content, read in pieces: archives may be gigabytes."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()[:32]
