"""A question's columns for fitting: its terms, its measures, its field, its cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tierwise_core.query_features import query_features
from tierwise_router.learning.clusters import Clusters
from tierwise_router.learning.log_rows import LogError, LogRow
from tierwise_router.learning.text import DENSE, Floats, TextSpace, hashed_counts

__all__ = ["SHAPES", "Columns", "Design"]

SHAPES: Final = 15
CLUSTER_COUNTS: Final = (16, 64)
TEXTS_PER_CLUSTER: Final = 20
Groups = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of some questions; ``clusters`` has a coarse and a fine numbering."""

    text: sparse.csr_matrix
    dense: Floats
    fields: Groups
    shapes: Groups
    clusters: tuple[Groups, ...]
    counts: tuple[int, int, tuple[int, ...]]

    def take(self, chosen: NDArray[np.bool_]) -> Columns:
        """Give those of some of the questions."""
        return Columns(
            self.text[chosen], self.dense[chosen], self.fields[chosen], self.shapes[chosen],
            tuple(one[chosen] for one in self.clusters), self.counts,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Design:
    """How questions become columns, learned from the training questions without their outcomes."""

    space: TextSpace
    clusters: tuple[Clusters, ...]
    fields: dict[str, int]
    middle: Floats
    spread: Floats
    embedding: int

    @classmethod
    def fit(cls, rows: Sequence[LogRow]) -> Self:
        """Learn what terms weigh, the clusters and the measures' ranges."""
        counts = hashed_counts(row.query for row in rows)
        space = TextSpace.fit(counts)
        text = space.rows(counts)
        most = max(2, len(rows) // TEXTS_PER_CLUSTER)
        clusters = tuple(Clusters.fit(text, min(count, most)) for count in CLUSTER_COUNTS)
        names = sorted({row.field for row in rows if row.field is not None})
        embedding = len(rows[0].embedding or ())
        dense, _ = _measured(rows, embedding)
        spread = np.where(dense.std(axis=0) > 0.0, dense.std(axis=0), 1.0)
        fields = {name: number for number, name in enumerate(names)}
        return cls(space, clusters, fields, dense.mean(axis=0), spread, embedding)

    def columns(self, rows: Sequence[LogRow]) -> Columns:
        """Turn questions into columns; a field that was not seen is as good as none."""
        text = self.space.rows(hashed_counts(row.query for row in rows))
        dense, shapes = _measured(rows, self.embedding)
        clusters = tuple(one.of(text) for one in self.clusters)
        fields = np.array([self.fields.get(row.field or "", -1) for row in rows], np.int64)
        if not self.fields:
            fields = clusters[0]
        sizes = tuple(len(one.middles) for one in self.clusters)
        return Columns(
            text, np.clip((dense - self.middle) / self.spread, -4.0, 4.0), fields, shapes, clusters,
            (len(self.fields) or sizes[0], SHAPES, sizes),
        )  # fmt: skip


def _measured(rows: Sequence[LogRow], embedding: int) -> tuple[Floats, Groups]:
    """Measure the texts; an embedding's numbers, where the log has one, come after."""
    found = [query_features(row.query) for row in rows]
    dense = np.array([one.values[:DENSE] for one in found])
    if embedding:
        if any(len(row.embedding or ()) != embedding for row in rows):
            raise LogError(f"some rows have an embedding of {embedding} numbers and some have not")
        dense = np.hstack([dense, np.array([row.embedding for row in rows])])
    return dense, np.array([one.shape for one in found], np.int64)
