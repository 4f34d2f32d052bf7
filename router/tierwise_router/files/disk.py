"""The few things that are done to the disk so that a crash at any moment loses nothing.

Everything here blocks: call it in a thread. A test puts a disk in its place that is full, or that
dies at the n-th step.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

__all__ = ["Disk"]

LINK_REFUSED = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK})


class Disk:
    """Writes that are whole or not there at all, and appends that are durable when they return.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> Disk().write_whole(folder / "state", b"{}")
    >>> (folder / "state").read_bytes()
    b'{}'
    """

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it; one that exists stays."""
        path.mkdir(parents=True, exist_ok=True)

    def write_whole(self, path: Path, data: bytes) -> None:
        """Put ``data`` in the place of a file; a crash leaves the old or the new content."""
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        with fresh.open("wb") as file:
            file.write(data)
            self.sync(file.fileno())
        self.move(fresh, path)

    def create_new(self, path: Path) -> int:
        """Create a file that must not exist yet, and give its descriptor.

        Raises FileExistsError: of two processes that create the same file one succeeds.
        """
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600)

    def append(self, descriptor: int, data: bytes) -> None:
        """Append and wait until the disk has it."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        self.sync(descriptor)

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has what was written."""
        os.fsync(descriptor)

    def move(self, source: Path, target: Path) -> None:
        """Rename, replacing what is there, and wait until the disk knows the new name."""
        source.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            self.sync(folder)
        finally:
            os.close(folder)

    def same(self, source: Path, target: Path) -> None:
        """Give a file a second name that outlives the first; a copy where links are refused."""
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in LINK_REFUSED:
                raise
            shutil.copyfile(source, target)

    def remove(self, path: Path) -> None:
        """Remove a file or a folder with all that is in it; what is gone already is no error."""
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
