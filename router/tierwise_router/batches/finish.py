"""The end of a batch: the answers of all its runs become the output file and the error file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from tierwise_core.batch import BatchState
from tierwise_router.batches.inputs import read_lines, unhurried
from tierwise_router.batches.job import Job
from tierwise_router.batches.lines import answered_well, undone
from tierwise_router.files.store import FileStore, StoredFile

__all__ = ["write_files"]

UNDONE: Final = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was executed."),
}


@dataclass(slots=True)
class _Part:
    """One of the two files as it is written; it is opened with its first line."""

    job: Job
    store: FileStore
    letter: str
    word: str
    bytes: int = 0
    file: BinaryIO | None = None

    @property
    def _path(self) -> Path:
        # A run that was believed dead may be finishing too; it must not write into ours.
        return self.job.folder / f"{self.word}.{os.getpid()}.part"

    def write(self, stack: ExitStack, value: dict[str, Any]) -> None:
        if self.file is None:
            self.file = stack.enter_context(self._path.open("wb"))
        line = orjson.dumps(value) + b"\n"
        self.file.write(line)
        self.bytes += len(line)

    def keep(self) -> str:
        """Make it a file that clients can fetch; gives its id, empty when there was no line."""
        if self.file is None:
            return ""
        self.file.flush()
        self.job.disk.sync(self.file.fileno())
        stored = StoredFile(
            id=f"file-{self.job.id.partition('_')[2]}{self.letter}",
            bytes=self.bytes,
            created_at=int(time.time()),
            filename=f"{self.job.id}_{self.word}.jsonl",
            purpose="batch_output",
            tenant=self.job.spec.tenant,
        )
        return self.store.add(self._path, stored).id


def write_files(job: Job, store: FileStore, state: BatchState, end: str) -> BatchState:
    """Write the files of a batch that ends as ``end`` and tell their ids; blocks.

    After a crash in the middle it is done again, with the same ids.
    """
    with ExitStack() as stack:
        good = _Part(job, store, "a", "output")
        bad = _Part(job, store, "e", "error")
        for value in unhurried(_results(job, end)):
            (good if answered_well(value) else bad).write(stack, value)
        return replace(state, output_file=good.keep(), error_file=bad.keep())


def _results(job: Job, end: str) -> Iterator[dict[str, Any]]:
    answered: set[str] = set()
    for answer in job.answers():
        answered.add(answer["custom_id"])
        yield answer
    if end not in UNDONE:
        return
    code, message = UNDONE[end]
    for line in read_lines(job):
        if line.custom_id not in answered:
            yield undone(line.custom_id, code, message)
