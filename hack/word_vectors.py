"""Pack the commonest English words of GloVe into the small table that the classifier ships with.

    python hack/word_vectors.py glove.6B.50d.txt router/tierwise_router/classifier/words.npz

GloVe (Pennington, Socher and Manning, Stanford, 2014; ``glove.6B.50d``, trained on Wikipedia 2014
and Gigaword 5) is dedicated to the public domain (PDDL 1.0). A line of the text file is a word and
its numbers; the commonest come first. Kept are words of letters only. Each vector becomes 4 bits a
dimension and one scale, which costs the classifier nothing that can be measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KEPT = 64_000
LEVELS = 7
"""A dimension is a whole number from -7 to 7 times the word's scale."""


def lines(source: Path) -> Iterator[tuple[int, str, list[float]]]:
    """Read the words of letters: their rank, themselves, their numbers."""
    with source.open(encoding="utf-8") as text:
        for rank, line in enumerate(text):
            word, *numbers = line.split(" ")
            if word.isalpha() and word == word.casefold():
                yield rank, word, [float(number) for number in numbers]


def packed(vectors: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Round to 4 bits a dimension, two dimensions a byte."""
    scales = (np.abs(vectors).max(axis=1) / LEVELS).astype(np.float16)
    levels = np.rint(vectors / scales[:, None].astype(np.float32)).clip(-LEVELS, LEVELS)
    nibbles = (levels + LEVELS).astype(np.uint8)
    return nibbles[:, ::2] << 4 | nibbles[:, 1::2], scales


def main(source: Path, target: Path) -> None:
    """Write the table: words by rank, their ranks, levels and scales."""
    rows = [row for row, _ in zip(lines(source), range(KEPT), strict=False)]
    levels, scales = packed(np.array([numbers for _, _, numbers in rows], dtype=np.float32))
    np.savez_compressed(
        target,
        words=np.frombuffer("\n".join(word for _, word, _ in rows).encode(), dtype=np.uint8),
        ranks=np.array([rank for rank, _, _ in rows], dtype=np.uint32),
        levels=levels,
        scales=scales,
    )
    print(f"{target}: {len(rows)} words, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
