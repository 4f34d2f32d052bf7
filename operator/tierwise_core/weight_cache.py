"""The shared weight cache on paper: what of a model is fetched, what is reused, and who must leave.

An *entry* is one model at one resolved revision (a commit, a digest, a listing). Its files are
immutable. Files that two entries have in common lie on the disk once, so what an entry frees when
it leaves is what nobody else holds. The shell measures, locks, downloads and deletes; every choice
is made here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tierwise_core.remote_files import RemoteFile, RemoteTree

__all__ = [
    "Eviction",
    "FetchPlan",
    "HeldUnit",
    "Shelf",
    "entry_key",
    "plan_eviction",
    "plan_fetch",
]


KEY_LENGTH: Final = 32
PROVEN: Final = "sha256:"


@dataclass(frozen=True, slots=True)
class HeldUnit:
    """A finished download in some entry.

    Attributes:
        entry: the entry's name.
        place: where it came from: server and name, without the revision.
        identity: of the download.
    """

    entry: str
    place: str
    identity: str


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What to do for each file of a tree: keep it, take it from another entry, or download it."""

    keep: tuple[RemoteFile, ...]
    reuse: tuple[tuple[RemoteFile, HeldUnit], ...]
    download: tuple[RemoteFile, ...]

    @property
    def download_bytes(self) -> int:
        """What the network has to bring."""
        return sum(file.size_bytes for file in self.download)


@dataclass(frozen=True, slots=True)
class Shelf:
    """An entry, or an unfinished one, as eviction sees it.

    Attributes:
        key: its name in the cache.
        last_used: when a pod last began to use it, in seconds of any one clock.
        in_use: a running pod holds it, or somebody fetches into it.
        parts: bytes by file on the disk; entries that share a file have the same key for it.
    """

    key: str
    last_used: float
    in_use: bool
    parts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Eviction:
    """Who leaves, and how many bytes are missing even then."""

    leave: tuple[str, ...]
    short_bytes: int


def entry_key(place: str, revision: str) -> str:
    """The name of an entry in the cache: equal for equal content, safe in a path.

    ``place`` names the server too: two servers may call different things by one name.

    >>> entry_key("https://huggingface.co/Qwen/Qwen3-8B", "c0ffee")
    'cb8285f1205baea4935ddb8744bf93ac'
    """
    text = f"{place}\n{revision}"
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def plan_fetch(
    tree: RemoteTree,
    intact: Collection[tuple[str, str]],
    held: Iterable[HeldUnit],
    entry: str,
    place: str,
) -> FetchPlan:
    """What to keep, to reuse and to download for an entry.

    Args:
        tree: what the source has.
        intact: what the entry itself has, undamaged: identity and path, as two files of one
            content may be listed.
        held: the downloads that other entries have; those of ``entry`` itself are not looked at.
        entry: the entry that is to be filled.
        place: where the tree is. From another place only what has a SHA-256, which was checked
            when it came, is taken: any server can call its files by another's ETags.

    >>> tree = RemoteTree("c0ffee", (RemoteFile("a", 5, "x"), RemoteFile("b", 7, "y")))
    >>> plan_fetch(tree, {("x", "a")}, [], "new", "hub").download_bytes
    7
    """
    others = {
        unit.identity: unit
        for unit in held
        if unit.entry != entry and (unit.place == place or unit.identity.startswith(PROVEN))
    }
    keep = tuple(file for file in tree.files if file.name in intact)
    rest = [file for file in tree.files if file.name not in intact]
    reuse = tuple((file, others[file.identity]) for file in rest if file.identity in others)
    download = tuple(file for file in rest if file.identity not in others)
    return FetchPlan(keep, reuse, download)


def plan_eviction(
    shelves: Iterable[Shelf], needed_bytes: int, max_bytes: int | None, keep: str = ""
) -> Eviction:
    """Which entries leave so that ``needed_bytes`` more fit: least recently used first.

    One in use never leaves, nor does ``keep``. A file that two entries share is freed when the
    last of them leaves. Ties go by name. If nothing suffices, everything that may leave does, and
    ``short_bytes`` says how much is still missing.

    >>> old, new = Shelf("a", 1.0, False, {"x": 6}), Shelf("b", 2.0, False, {"y": 3})
    >>> plan_eviction([old, new], 5, 10)
    Eviction(leave=('a',), short_bytes=0)
    >>> plan_eviction([old, new], 5, None).leave
    ()
    """
    if max_bytes is None:
        return Eviction((), 0)
    present = sorted(shelves, key=lambda shelf: (shelf.last_used, shelf.key))
    holders = _holders(present)
    used = sum(size for size, _ in holders.values())
    leave = []
    for shelf in present:
        if used + needed_bytes <= max_bytes:
            break
        if shelf.in_use or shelf.key == keep:
            continue
        leave.append(shelf.key)
        used -= _freed(shelf, holders)
    return Eviction(tuple(leave), max(0, used + needed_bytes - max_bytes))


def _holders(shelves: Iterable[Shelf]) -> dict[str, tuple[int, int]]:
    """For each file on the disk its size and how many entries hold it."""
    found: dict[str, tuple[int, int]] = {}
    for shelf in shelves:
        for part, size in shelf.parts.items():
            found[part] = (size, found.get(part, (0, 0))[1] + 1)
    return found


def _freed(shelf: Shelf, holders: dict[str, tuple[int, int]]) -> int:
    """The bytes that only this entry held; it holds nothing from now on."""
    freed = 0
    for part in shelf.parts:
        size, count = holders[part]
        holders[part] = (size, count - 1)
        freed += size if count == 1 else 0
    return freed
