"""A full disk, torn lines, runs believed dead: the router goes on, and no answer is lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import openai
import orjson
import pytest
from dispatchers import route
from fake_engine import FakeEngine, Script, answers
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from offices import Office, chat_line, jsonl

from tierwise_core.policy_batch import BatchPolicy
from tierwise_router.batches.inputs import check_input
from tierwise_router.batches.job import Job, JobStore, Spec
from tierwise_router.batches.lease import Lease, Watchman
from tierwise_router.files.disk import Disk

Engine = Callable[[Script], Awaitable[FakeEngine]]
Offices = Callable[..., Awaitable[Office]]
CHAT = "/v1/chat/completions"
BATCH = "batch_" + "1" * 24


class FullDisk(Disk):
    """Has room for so many appends, and then for nothing until something is removed."""

    def __init__(self, appends: int) -> None:
        self._left = appends
        self._full = False

    def append(self, descriptor: int, data: bytes) -> None:
        self._left -= 1
        if self._left < 0:
            self._full = True
            os.write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(descriptor, data)

    def write_whole(self, path: Path, data: bytes) -> None:
        if self._full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write_whole(path, data)

    def remove(self, path: Path) -> None:
        self._full = self._full and path.name != "reserve"
        super().remove(path)


def allow(desk: Office, **limits: int) -> None:
    """Let a policy with these limits count from now on."""
    dispatcher = desk.running.dispatcher
    brain = dispatcher.current_brain()
    policy = replace(brain.table.policy, batch=BatchPolicy(**limits))
    dispatcher.brain = replace(brain, table=replace(brain.table, policy=policy))


def a_job(root: Path, content: bytes, disk: Disk | None = None) -> Job:
    """A batch over some input, that expires in a far future."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "in").write_bytes(content)
    spec = Spec(BATCH, "batch", CHAT, 1, 1 << 40)
    return JobStore(root, disk or Disk()).create(spec, root / "in")


async def test_a_full_disk_fails_the_batch_and_nothing_else(
    engine: Engine, office: Offices
) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url), disk=FullDisk(appends=0))

    done = await desk.ended((await desk.submit(jsonl([chat_line("a"), chat_line("b")]))).id)

    assert done.status == "failed"
    assert done.errors.data[0].code == "storage_full"
    assert "TIERWISE_FILES_DIR" in done.errors.data[0].message
    assert (await desk.running.chat("sort dbca", model="sorter")).status_code == 200


async def test_an_upload_that_finds_no_room_is_a_507(office: Offices) -> None:
    class Full(Disk):
        def write_whole(self, path: Path, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    desk = await office(route("sorter", "http://127.0.0.1:1"), disk=Full())
    form = {"file": ("in.jsonl", b"{}\n")}

    told = await desk.running.client.post("/v1/files", files=form, data={"purpose": "batch"})

    assert told.status_code == 507
    assert told.json()["error"]["code"] == "storage_full"


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [
        ({"max_file_bytes": 100_000}, 413, "file_too_large"),
        ({"max_storage_bytes": 100_000}, 507, "storage_full"),
    ],
)
async def test_a_giant_file_is_refused_and_leaves_nothing_behind(
    office: Offices, tmp_path: Path, limits: dict[str, int], status: int, code: str
) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    allow(desk, **limits)

    with pytest.raises(openai.APIStatusError) as refused:
        await desk.openai.files.create(file=("big", b"x" * 5_000_000), purpose="batch")

    assert refused.value.status_code == status
    assert refused.value.code == code
    assert not list((tmp_path / "incoming").iterdir())
    assert [one async for one in await desk.openai.files.list()] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_form"),
        (b"--x\r\nnonsense", 400, "invalid_form"),
        (b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc', 400, "invalid_form"),
        (b'--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x--\r\n', 400,
         "missing_field"),
        (b'--x\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc\r\n--x--\r\n', 400,
         "invalid_purpose"),
    ],
)  # fmt: skip
async def test_a_form_that_is_none_is_refused(
    office: Offices, tmp_path: Path, body: bytes, status: int, code: str
) -> None:
    desk = await office(route("sorter", "http://127.0.0.1:1"))
    headers = {"content-type": "multipart/form-data; boundary=x"}

    told = await desk.running.client.post("/v1/files", content=body, headers=headers)

    assert (told.status_code, told.json()["error"]["code"]) == (status, code)
    assert not list((tmp_path / "incoming").iterdir())  # nothing is left behind


def test_a_line_that_is_far_too_long_is_named_and_not_read(tmp_path: Path) -> None:
    content = jsonl([chat_line("a")]) + b"x" * 100_000 + b"\n" + jsonl([chat_line("b")])

    total, problems = check_input(a_job(tmp_path, content), BatchPolicy(), 1000)

    assert total == 3
    assert [(problem.line, problem.code) for problem in problems] == [(2, "line_too_long")]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": nan}\n']
)
def test_garbage_is_a_problem_and_never_an_error(tmp_path: Path, content: bytes) -> None:
    _total, problems = check_input(a_job(tmp_path, content), BatchPolicy(), 1 << 20)

    assert problems


async def test_what_cannot_be_written_again_is_one_failed_line(
    engine: Engine, office: Offices
) -> None:
    upstream = await engine(answers("abcd"))
    desk = await office(route("sorter", upstream.url))
    deep = chat_line("deep")
    deep["body"]["extra"] = 0
    raw = jsonl([deep]).replace(b'"extra": 0', b'"extra": ' + b"[" * 500 + b"]" * 500)

    done = await desk.ended((await desk.submit(raw + jsonl([chat_line("a")]))).id)

    assert (done.status, done.request_counts.completed) == ("completed", 1)
    (failed,) = await desk.lines_of(done.error_file_id)
    assert "nested too deeply" in failed["response"]["body"]["error"]["message"]


def test_more_requests_than_allowed_are_told_at_the_first_of_them(tmp_path: Path) -> None:
    content = jsonl(chat_line(f"q-{n}") for n in range(5))

    _total, problems = check_input(a_job(tmp_path, content), BatchPolicy(max_requests=3), 1 << 20)

    assert [(problem.line, problem.code) for problem in problems] == [(4, "too_many_requests")]


def test_a_torn_last_line_is_no_answer_and_the_next_run_is_not_harmed(tmp_path: Path) -> None:
    job = a_job(tmp_path, jsonl([chat_line("a"), chat_line("b")]))
    first = Watchman("pod").claim(job)
    assert first is not None
    first.record(b'{"custom_id": "a"}\n{"custom_id": "b", "respon')
    first.release()
    second = Watchman("pod").claim(job)
    assert second is not None
    assert [answer["custom_id"] for answer in job.answers()] == ["a"]
    second.record(b'{"custom_id": "b"}\n')

    assert [answer["custom_id"] for answer in job.answers()] == ["a", "b"]
    second.release()


def test_a_beat_of_another_host_is_believed_until_it_stood_still(tmp_path: Path) -> None:
    job, now = a_job(tmp_path, b"{}\n"), [0.0]
    theirs = Watchman("pod-a").claim(job)
    ours = Watchman("pod-b", clock=lambda: now[0], still_s=15)
    assert theirs is not None
    assert ours.claim(job) is None
    now[0] = 14
    theirs.beat()
    assert ours.claim(job) is None
    now[0] = 28
    assert ours.claim(job) is None
    now[0] = 30
    lease = ours.claim(job)

    assert lease is not None
    assert (lease.epoch, theirs.ours, lease.ours) == (2, False, True)
    theirs.release()
    lease.release()


class Runs(RuleBasedStateMachine):
    """Pods claim, record, pause, wake, die and release in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(os.environ["RUNS_FOLDER"]) / os.urandom(6).hex()
        self.job = a_job(self.root, jsonl(chat_line(str(n)) for n in range(4)))
        self.leases: list[Lease] = []
        self.first: dict[str, int] = {}

    @rule(host=st.sampled_from(["pod-a", "pod-b"]), patient=st.booleans())
    def claim(self, host: str, *, patient: bool) -> None:
        # One without patience takes everybody for dead at once: the worst that can happen.
        lease = Watchman(host, still_s=1e9 if patient else 0.0).claim(self.job)
        if lease is not None:
            self.leases.append(lease)

    @rule(which=st.integers(0, 9), custom_id=st.sampled_from("0123"))
    def record(self, which: int, custom_id: str) -> None:
        if self.leases:
            lease = self.leases[which % len(self.leases)]
            lease.record(orjson.dumps({"custom_id": custom_id, "by": lease.epoch}) + b"\n")
            self.first[custom_id] = min(lease.epoch, self.first.get(custom_id, lease.epoch))

    @rule(which=st.integers(0, 9))
    def release(self, which: int) -> None:
        if self.leases:
            self.leases.pop(which % len(self.leases)).release()

    @invariant()
    def every_line_has_one_answer_and_it_is_the_first_runs(self) -> None:
        told = {answer["custom_id"]: answer["by"] for answer in self.job.answers()}
        assert len(list(self.job.answers())) == len(told)
        assert told == self.first

    @invariant()
    def no_two_runs_have_one_number(self) -> None:
        numbers = [lease.epoch for lease in self.leases]
        assert len(numbers) == len(set(numbers))

    def teardown(self) -> None:
        for lease in self.leases:
            lease.release()


def test_runs_in_any_order_answer_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS_FOLDER", str(tmp_path))
    case = Runs.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
    case().runTest()
