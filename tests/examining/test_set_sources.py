"""Held-out sets where models lie too: on the Hub, in buckets, in claims, in directories."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from examinees import lines, words
from fake_cluster import FakeCluster
from hub_server import fake_hub
from s3_server import KEY_ID, SECRET, fake_s3
from typer.testing import CliRunner

from tierwise_core.claim_job import READS, ClaimDirectory, claim_job
from tierwise_core.delivery import Delivery
from tierwise_core.errors import SourceUnreadableError, UnsupportedSourceError
from tierwise_core.examining.questions import HeldOutSetError
from tierwise_core.examining.set_source import parse_set_source
from tierwise_operator.examining.reading import SetReader
from tierwise_operator.examining.sets import WantedSet
from tierwise_operator.settings import Settings
from tierwise_operator.sources.file_in_log import opened, sealed
from tierwise_operator.sources.single_file import LARGEST_SET
from tierwise_operator.weights.__main__ import app

AT = "spec.strategy.benchmark"
SET = lines(words(3)).encode()


def wanted(source: str, **changes: str) -> WantedSet:
    return WantedSet("benchmark", AT, "ai", source=source, **changes)  # type: ignore[arg-type]


async def names(
    want: WantedSet,
    settings: Settings | None = None,
    cluster: FakeCluster | None = None,
    wait: Callable[[float], Any] = asyncio.sleep,
) -> list[str]:
    reader = SetReader(cluster or FakeCluster(), settings or Settings(), wait)
    try:
        return [question.name for question in await reader.read(want)]
    finally:
        await reader.close()


async def refusal(want: WantedSet, settings: Settings | None = None) -> str:
    with pytest.raises(HeldOutSetError) as raised:
        await names(want, settings)
    return str(raised.value)


async def test_a_dataset_of_the_hub_is_read_at_its_revision() -> None:
    with fake_hub() as hub:
        hub.files["datasets/acme/sorting"] = {"en/held-out.jsonl": SET}
        hub.revisions["v2"] = "c0ffee0000000000000000000000000000000002"
        settings = Settings(hf_endpoint=hub.endpoint)
        there = "hf://datasets/acme/sorting/en/held-out.jsonl"
        assert len(await names(wanted(there, revision="v2"), settings)) == 3
        assert hub.requests[-1][0] == "/datasets/acme/sorting/resolve/v2/en/held-out.jsonl"
        told = await refusal(wanted("hf://datasets/acme/sorting/none.jsonl"), settings)
        assert told.startswith(f"{AT}.source: hf://datasets/acme/sorting@main none.jsonl does not")
        told = await refusal(wanted("hf://datasets/acme/nothing/none.jsonl"), settings)
        assert told.startswith(f"{AT}.source: hf://datasets/acme/nothing does not exist")
        told = await refusal(wanted(there, revision="v9"), settings)
        assert told.startswith(f"{AT}.revision: hf://datasets/acme/sorting has no branch")


async def test_an_object_of_a_bucket_is_read_with_the_credentials_of_its_secret() -> None:
    cluster = FakeCluster()
    keys = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
    cluster.put({"kind": "Secret", "metadata": {"name": "store", "namespace": "ai"}, "data": data})
    with fake_s3() as store:
        store.objects["sets"] = {"sorting/held-out.jsonl": SET, "sorting/x.jsonl": b"\xff\xfe"}
        settings = Settings(delivery=Delivery(s3_endpoint=store.endpoint))
        there = "s3://sets/sorting/held-out.jsonl"
        assert len(await names(wanted(there, secret_name="store"), settings, cluster)) == 3
        told = await refusal(wanted(there), settings)
        assert "refuses" in told
        assert f"set {AT}.secretRef to a Secret with AWS_ACCESS_KEY_ID" in told
        store.public.add("sets")
        told = await refusal(wanted("s3://sets/sorting/none.jsonl"), settings)
        assert told.startswith(f"{AT}.source: s3://sets/sorting/none.jsonl does not exist at")
        told = await refusal(wanted("s3://sets/sorting/x.jsonl"), settings)
        assert told.startswith(f"{AT}.source: s3://sets/sorting/x.jsonl is no text in UTF-8")


async def test_a_file_of_this_machine_is_read_up_to_a_size(tmp_path: Path) -> None:
    file = tmp_path / "held-out.jsonl"
    told = await refusal(wanted(f"file://{file}"))
    assert told == f"{AT}.source: {file} does not exist"
    file.write_bytes(SET)
    assert len(await names(wanted(f"file://{file}"))) == 3
    file.write_text("{")
    told = await refusal(wanted(f"file://{file}"))
    assert told.startswith(f"{AT}.source: file://{file}: line 1: no JSON")
    file.write_bytes(b" " * (LARGEST_SET + 1))
    told = await refusal(wanted(f"file://{file}"))
    assert f"has over {LARGEST_SET} bytes; keep the questions that tell most" in told


class Kubelet:
    """Runs the Job's command on a directory of this machine, as a pod would in the claim."""

    def __init__(self, cluster: FakeCluster, claim: Path) -> None:
        self.cluster, self.claim = cluster, claim

    async def wait(self, _: float) -> None:
        for (kind, key), job in list(self.cluster.objects_by_key.items()):
            if kind != "Job":
                continue
            (container,) = job["spec"]["template"]["spec"]["containers"]
            command, path = container["args"][:2]
            here = path.replace(container["volumeMounts"][0]["mountPath"], str(self.claim))
            words = self.claim / "last-words"
            done = CliRunner().invoke(app, [command, here, "--termination-log", str(words)])
            self.cluster.logs_of["ai/read-x"] = done.stdout
            message = words.read_text().replace(str(self.claim), "/mnt/tierwise/claim")
            ended = {"exitCode": done.exit_code, "message": message}
            state = [{"name": "read", "state": {"terminated": ended}}]
            labels = {READS: key.partition("/")[2]}
            self.cluster.put(
                {
                    "kind": "Pod",
                    "metadata": {"name": "read-x", "namespace": "ai", "labels": labels},
                    "spec": {},
                    "status": {"containerStatuses": state},
                }
            )


async def test_a_file_in_a_claim_comes_through_the_log_of_a_job(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "held-out.jsonl").write_text(lines(words(2000)))
    cluster, settings = FakeCluster(), Settings(delivery=Delivery(image="operator:1"))
    kubelet = Kubelet(cluster, tmp_path)
    there = wanted("pvc://models/sets/held-out.jsonl", key="")
    reader = SetReader(cluster, settings, kubelet.wait)
    limited = WantedSet("benchmark", AT, "ai", max_questions=2000, source=there.source)
    assert len(await reader.read(limited)) == 2000
    job = claim_job(ClaimDirectory("ai", "models", "sets", file="held-out.jsonl"), "operator:1", "")
    name = job["metadata"]["name"]
    assert cluster.writes == [f"apply Job ai/{name}", f"delete Job ai/{name}"]
    both = await asyncio.gather(reader.read(limited), reader.read(limited))
    assert [len(found) for found in both] == [2000, 2000]  # two Rollouts, one file
    assert cluster.writes == [f"apply Job ai/{name}", f"delete Job ai/{name}"] * 3
    with pytest.raises(HeldOutSetError) as raised:
        await reader.read(wanted("pvc://models/none.jsonl"))
    assert str(raised.value) == f"{AT}.source: pvc://models/none.jsonl does not exist"
    await reader.close()


def test_a_log_that_lost_a_line_is_no_file() -> None:
    content = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(255))
    log, mark = sealed(content)
    assert opened(log, mark) == content
    for broken in ("", log[4:], log.replace("\n", "x\n"), "no base64"):
        with pytest.raises(SourceUnreadableError, match="does not have the whole") as raised:
            opened(broken, mark)
        assert raised.value.retryable


@pytest.mark.parametrize(
    "source",
    ["hf://acme/x.jsonl", "s3://b/x.json", "file:///x.jsonl", "file:///a/../x.jsonl", "oci://a/b"],
)
def test_what_names_no_file_of_questions_is_refused(source: str) -> None:
    with pytest.raises(UnsupportedSourceError, match=r"write hf://datasets/ORG/NAME/FILE\.jsonl"):
        parse_set_source(source)
