"""containerd on one node: its configuration, and the images it holds."""

import re
from dataclasses import dataclass
from pathlib import Path

from .instance import Instance
from .shell import run

# Where Debian, Fedora and the upstream archives put the CNI plugins.
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/usr/libexec/cni"), Path("/opt/cni/bin"))
_SOURCE_LABEL = "tierwise.dev/source"


def cni_folder() -> Path | None:
    """The folder with the CNI plugins, None when they are not installed."""
    return next((path for path in CNI_FOLDERS if (path / "ptp").exists()), None)


def configuration(pause_image: str, cni_config: Path) -> str:
    """A node's config.toml. The node's mount namespace makes the default paths its own."""
    plugins = cni_folder() or CNI_FOLDERS[0]
    return f"""\
version = 2
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Without CAP_SYS_RESOURCE nobody may lower an oom_score_adj, and runc dies of trying.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{cni_config.parent}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
"""


@dataclass(frozen=True, slots=True)
class ImageStore:
    """The images of one node."""

    socket: Path

    def loaded(self) -> dict[str, str]:
        """Each image's reference and the digest of the archive it came from."""
        found = {}
        for line in self._ctr("images", "list").splitlines()[1:]:
            label = re.search(rf"{re.escape(_SOURCE_LABEL)}=([0-9a-f]+)", line)
            found[line.split()[0]] = label[1] if label else ""
        return found

    def holds(self, reference: str, digest: str) -> bool:
        """Whether this node has the image from the archive of that digest."""
        return self.loaded().get(reference) == digest

    def ensure(self, reference: str, archive: Path, digest: str) -> bool:
        """Import an archive unless this node holds it; return whether it was imported."""
        if self.holds(reference, digest):
            return False
        self._ctr("images", "import", str(archive))
        self._ctr("images", "label", reference, f"{_SOURCE_LABEL}={digest}")
        return True

    def _ctr(self, *words: str) -> str:
        return run(["ctr", "--address", self.socket, "--namespace", "k8s.io", *words])


def image_store(instance: Instance, node: str) -> ImageStore:
    """The images of a node, reached from the host's side of the node's private folders."""
    return ImageStore(instance.runtime / "nodes" / node / "containerd" / "containerd.sock")
