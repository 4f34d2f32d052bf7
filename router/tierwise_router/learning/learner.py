"""The learner of a pod: it follows the journal and makes the model that dispatchers predict with.

It lives beside the watcher, in a thread of its own while it works, and never on a request's path.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from tierwise_core.acceptance import AcceptanceModel
from tierwise_core.policy_learning import LearningPolicy
from tierwise_router.journal_files import Marks
from tierwise_router.learning.fit import fit
from tierwise_router.learning.outcomes import OutcomeBook
from tierwise_router.learning.reading import JournalReader
from tierwise_router.learning.snapshot import load_snapshot, save_snapshot

__all__ = ["Learner", "packed_model", "unpacked_model"]

log = structlog.get_logger(__name__)

SAVE_EVERY_S: Final = 30.0
AGEING_S: Final = 3600.0
UNJUDGED_S: Final = 60.0
REST_PER_FIT: Final = 20.0


class Learner:
    """Reads what came to the journal, and fits anew when there is reason to.

    Args:
        directory: the journal's; the snapshot is kept there too.
        now: the time in seconds since the epoch.
    """

    def __init__(self, directory: Path, now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._now = now
        self._reader = JournalReader(directory, Marks())
        self._book: OutcomeBook | None = None
        self._policy: LearningPolicy | None = None
        self._judged = self._others = self._unsaved = False
        self._fitted_at = self._saved_at = self._took_s = 0.0
        self._fits = 0

    def poll(self, policy: LearningPolicy) -> AcceptanceModel | None:
        """Give a new model if there is one; call it every second or so, from one thread at a time.

        There is one when judged outcomes came or the policy changed, at the earliest one refit
        interval after the last, and never so often that fitting takes a twentieth of the time.
        What nobody judged waits for a minute, and evidence that only aged for an hour.
        """
        book = self._opened(policy)
        if policy != self._policy:
            self._policy, self._judged, self._fitted_at = policy, True, 0.0
            book.keep(policy.keep_outcomes)
        if not policy.enabled:
            return self._disabled()
        self._read(book)
        now = self._now()
        model = self._fit(book, policy, now) if self._is_due(book, policy, now) else None
        self._save(book, now)
        return model

    def _opened(self, policy: LearningPolicy) -> OutcomeBook:
        if self._book is None:
            self._book = OutcomeBook(policy.keep_outcomes)
            self._reader = JournalReader(
                self._directory, load_snapshot(self._directory, self._book)
            )
        return self._book

    def _disabled(self) -> AcceptanceModel | None:
        """Take back what was learned, once."""
        if not self._judged or self._policy is None:
            return None
        self._judged = False
        return AcceptanceModel(initial_floor=self._policy.initial_floor, version=self._version())

    def _read(self, book: OutcomeBook) -> None:
        judged, others = self._reader.read(book)
        self._judged = self._judged or judged > 0
        self._others = self._others or others > 0
        self._unsaved = self._unsaved or judged + others > 0

    def _is_due(self, book: OutcomeBook, policy: LearningPolicy, now: float) -> bool:
        since = now - self._fitted_at
        if since < max(policy.refit_interval_seconds, REST_PER_FIT * self._took_s):
            return False
        aged = len(book) > 0 and since > AGEING_S
        return self._judged or aged or (self._others and since > UNJUDGED_S)

    def _fit(self, book: OutcomeBook, policy: LearningPolicy, now: float) -> AcceptanceModel:
        began_at = time.perf_counter()
        model = fit(book, policy, now, self._version())
        self._judged = self._others = False
        self._fitted_at, self._took_s = now, time.perf_counter() - began_at
        log.info(
            "learned from outcomes",
            outcomes=len(book),
            specialists=len(model.figures),
            took_ms=round(self._took_s * 1e3, 1),
        )
        return model

    def _save(self, book: OutcomeBook, now: float) -> None:
        if self._unsaved and now - self._saved_at >= SAVE_EVERY_S:
            self._saved_at = now
            self._unsaved = not save_snapshot(self._directory, book, self._reader.marks)

    def _version(self) -> str:
        self._fits += 1
        return str(self._fits)


def packed_model(model: AcceptanceModel) -> bytes:
    """Turn a model into bytes, on its way to the dispatchers.

    >>> unpacked_model(packed_model(AcceptanceModel.empty())) == AcceptanceModel.empty()
    True
    """
    return pickle.dumps(model, protocol=pickle.HIGHEST_PROTOCOL)


def unpacked_model(data: bytes) -> AcceptanceModel:
    """Turn the bytes back into the model; only bytes that this pod's own watcher made."""
    model: AcceptanceModel = pickle.loads(data)  # noqa: S301 - from our own process, see wire.py
    return model
