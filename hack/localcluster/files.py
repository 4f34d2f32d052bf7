"""Writing configuration files."""

from pathlib import Path


def write_if_changed(path: Path, text: str) -> None:
    """Write a file unless it holds that very text; its folder is made.

    kube-proxy watches its file and ends on any write, even of the same content.
    """
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
