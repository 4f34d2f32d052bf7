"""Kills a batch at every step of the disk in turn, and tells what a second process made of it.

Run as a script with a folder: it prints one JSON object for each step. Forking keeps it fast, and
a script of its own has no threads that a fork could break.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from offices import chat_line, jsonl

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.job import Job, JobStore, Spec
from tierwise_router.batches.lease import Watchman
from tierwise_router.batches.lines import Asker
from tierwise_router.batches.runner import Bench, Runner
from tierwise_router.batches.slots import Slots
from tierwise_router.files.disk import Disk
from tierwise_router.files.store import FileStore, StoredFile

LINES = 6
KILLED = 9
FILE_ID = "file-" + "0" * 24
BATCH_ID = "batch_" + "1" * 24


class DyingDisk(Disk):
    """Ends the process in the middle of its n-th step."""

    def __init__(self, last_step: int) -> None:
        self._left = last_step

    def _step(self) -> bool:
        self._left -= 1
        return self._left == 0

    def write_whole(self, path: Path, data: bytes) -> None:
        if self._step():
            path.with_name(f"{path.name}.torn.new").write_bytes(data[: len(data) // 2])
            os._exit(KILLED)
        super().write_whole(path, data)

    def create_new(self, path: Path) -> int:
        descriptor = super().create_new(path)
        if self._step():
            os._exit(KILLED)
        return descriptor

    def append(self, descriptor: int, data: bytes) -> None:
        if self._step():
            os.write(descriptor, data[: len(data) // 2])
            os._exit(KILLED)
        super().append(descriptor, data)
        if self._step():  # written, and nobody told
            os._exit(KILLED)

    def move(self, source: Path, target: Path) -> None:
        if self._step():
            os._exit(KILLED)
        super().move(source, target)

    def remove(self, path: Path) -> None:
        if self._step():
            os._exit(KILLED)
        super().remove(path)


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer every request with its own text, and note that it was asked."""
    body = json.loads((await receive())["body"])
    text = body["messages"][0]["content"]
    os.write(os.open(body["model"], os.O_CREAT | os.O_APPEND | os.O_WRONLY), f"{text}\n".encode())
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(text).encode()})


def bench(root: Path, disk: Disk) -> Bench:
    policy = BatchPolicy(concurrency=2)
    asker = Asker(answer, lambda: policy, Random(1))  # noqa: S311 - makes the waits repeatable
    slots = Slots(lambda: policy.concurrency)
    return Bench(asker, slots, FileStore(root, disk), JobStore(root, disk), 1 << 20)


def submit(root: Path, disk: Disk) -> None:
    """What a client's upload and create do; the file ``told`` says that it got its answer."""
    made = bench(root, disk)
    part = made.files.begin()
    lines = [chat_line(f"q{n}", f"q{n}", str(root / "asked")) for n in range(LINES)]
    part.write_bytes(jsonl(lines))
    made.files.add(part, StoredFile(FILE_ID, 1, 1, "in.jsonl", "batch"))
    hour = int(time.time()) + 3600
    spec = Spec(BATCH_ID, "batch", "/v1/chat/completions", 1, hour, "", "batch", FILE_ID, "24h")
    made.jobs.create(spec, made.files.content(FILE_ID))
    (root / "told").touch()


def work(root: Path, disk: Disk) -> None:
    made = bench(root, disk)
    for job_id in made.jobs.active():
        if (job := made.jobs.find(job_id)) is None:
            continue  # its creation broke off
        lease = Watchman("pod").claim(job)
        assert lease is not None, "a dead run was not seen to be dead"
        asyncio.run(Runner(lease, made).run())


def forked(task: Any) -> int:
    pid = os.fork()
    if pid == 0:
        task()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def crash_at(root: Path, step: int) -> dict[str, Any]:
    """Die at a step, let another process go on, and look at what there is."""

    def first() -> None:
        disk = DyingDisk(step)
        submit(root, disk)
        work(root, disk)

    died = forked(first)
    resumed = forked(lambda: work(root, Disk()))
    made = bench(root, Disk())
    job = made.jobs.find(BATCH_ID)
    told = {"step": step, "died": died, "resumed": resumed, "told": (root / "told").exists()}
    return {**told, **(_seen(root, made, job) if job else {"status": "none"})}


def _seen(root: Path, made: Bench, job: Job) -> dict[str, Any]:
    state = job.state()
    path = made.files.content(state.output_file) if state.output_file else None
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path else []
    asked = root / "asked"
    return {
        "status": state.status,
        "completed": state.counts.completed,
        "ids": sorted(line["custom_id"] for line in lines),
        "asked": len(asked.read_text().split()) if asked.exists() else 0,
        "runs": len(job.epochs()),
    }


def main() -> None:
    base = Path(sys.argv[1])
    step = 0
    while True:
        step += 1
        folder = base / str(step)
        folder.mkdir()
        seen = crash_at(folder, step)
        sys.stdout.write(json.dumps(seen) + "\n")
        if seen["died"] == 0:
            return


if __name__ == "__main__":
    main()
