"""A Merkle tree over an ordered list: one short hash for all of it, and short proofs of each leaf.

The tree is that of RFC 6962, section 2.1: leaves and inner nodes are hashed with different first
bytes, so that neither can be taken for the other, and a list of ``n`` leaves splits at the largest
power of two below ``n``. Hashes are SHA-256, here and outside as 64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

__all__ = ["inclusion_path", "merkle_root", "root_from_path"]

LEAF = b"\x00"
NODE = b"\x01"


def merkle_root(leaves: Sequence[str]) -> str:
    """Hash a list of leaves to the root of its tree.

    >>> merkle_root(["ab"]) == merkle_root(["ab", "ab"])
    False
    >>> merkle_root([])[:8]  # of nothing, it is the hash of nothing
    'e3b0c442'
    """
    return _root([_leaf(leaf) for leaf in leaves]).hex()


def inclusion_path(leaves: Sequence[str], index: int) -> tuple[str, ...]:
    """List the hashes that lead from a leaf to the root, from the bottom up.

    Raises IndexError where there is no such leaf.

    >>> leaves = [f"{number:02x}" for number in range(5)]
    >>> path = inclusion_path(leaves, 3)
    >>> len(path), root_from_path(leaves[3], 3, 5, path) == merkle_root(leaves)
    (3, True)
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
    return tuple(step.hex() for step in _path([_leaf(leaf) for leaf in leaves], index))


def root_from_path(leaf: str, index: int, size: int, path: Sequence[str]) -> str | None:
    """Work out the root that a leaf and its path lead to; None where the path has a wrong length.

    Whoever knows the root knows that the leaf is in the tree, and where, if this gives that root.

    >>> root_from_path("00", 0, 2, ()) is None
    True
    """
    steps = [bytes.fromhex(step) for step in path]
    found = _climbed(_leaf(leaf), index, size, steps)
    return found.hex() if found is not None and not steps else None


def _climbed(leaf: bytes, index: int, size: int, steps: list[bytes]) -> bytes | None:
    """Go up; the last step of the path belongs to the topmost split."""
    if size <= 1:
        return leaf if index == 0 else None
    if not steps:
        return None
    beside = steps.pop()
    left = _left_size(size)
    if index < left:
        below = _climbed(leaf, index, left, steps)
        return None if below is None else _node(below, beside)
    below = _climbed(leaf, index - left, size - left, steps)
    return None if below is None else _node(beside, below)


def _root(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return sha256().digest()
    level = list(hashes)
    # Pairing neighbours and passing on the odd one out gives the very tree of the RFC.
    while len(level) > 1:
        pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    if len(hashes) <= 1:
        return []
    left = _left_size(len(hashes))
    if index < left:
        return [*_path(hashes[:left], index), _root(hashes[left:])]
    return [*_path(hashes[left:], index - left), _root(hashes[:left])]


def _left_size(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def _leaf(leaf: str) -> bytes:
    return sha256(LEAF + bytes.fromhex(leaf)).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(NODE + left + right).digest()
