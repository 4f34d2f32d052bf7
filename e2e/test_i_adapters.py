"""LoRA adapters on real vLLM: they come and go while the base serves, and every pod has them."""

import re
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cluster import ROOT, Cluster, answer, eventually
from s3_server import KEY_ID, SECRET, FakeS3, fake_s3

CLERK = "clerk"
DESCENDING = ROOT / "examples" / "models" / "adapters" / "descending"
SELECTOR = f"tierwise.dev/specialist={CLERK}"
ASLEEP = ("reverser", "adder", "generalist")  # two GPUs to grow into
QUESTION = "sort dbca"
PAGE = (ROOT / "docs" / "adapters.md").read_text()


@pytest.fixture(scope="module")
def clerk(cluster: Cluster) -> Iterator[Mapping[str, Any]]:
    """A Specialist like the sorter, with room for adapters and none yet."""
    manifest = made_like(cluster, "sorter", CLERK)
    cluster.apply(manifest)
    cluster.wait(f"specialist/{CLERK}", "condition=Ready")
    yield manifest
    cluster.delete("specialist", CLERK, "strict")
    eventually(lambda: cluster.names("pods", SELECTOR), lambda pods: pods == [])


def made_like(cluster: Cluster, name: str, other: str, **limits: int) -> dict[str, Any]:
    """Another Specialist like a running one, unknown to `auto`, ready to take adapters."""
    spec = cluster.get("specialist", name)["spec"] | {"field": "clerks"}
    for field in ("routing", "parent"):
        spec.pop(field, None)
    spec["model"] |= {"adapterLimits": {"maxRank": 8, "maxLoaded": 2, **limits}, "adapters": []}
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": other, "namespace": "default"},
        "spec": spec,
    }


def with_adapters(manifest: Mapping[str, Any], **sources: str) -> dict[str, Any]:
    adapters = [{"name": name, "source": source} for name, source in sources.items()]
    spec = manifest["spec"]
    return {**manifest, "spec": {**spec, "model": {**spec["model"], "adapters": adapters}}}


def lives(cluster: Cluster) -> dict[str, int]:
    """The clerk's pods, and how often each engine was restarted."""
    pods = cluster.kubectl(
        *("get", "pods", "-l", SELECTOR, "-o"),
        "jsonpath={range .items[*]}{.metadata.name} "
        "{.status.containerStatuses[0].restartCount}{'\\n'}{end}",
    )
    return {name: int(count) for name, count in (line.split() for line in pods.splitlines())}


def adapters_of(cluster: Cluster) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = cluster.get("specialist", CLERK)["status"].get(
        "adapters", []
    )
    return found


def engines(cluster: Cluster) -> list[str]:
    return [one["url"] for one in cluster.get("specialist", CLERK)["status"]["endpoints"]]


def loaded_in(url: str) -> list[str]:
    """What an engine itself says it serves beside its base."""
    cards = httpx.get(f"{url}/v1/models", timeout=60).json()["data"]
    return [card["id"] for card in cards if card.get("parent")]


def test_an_adapter_is_loaded_into_the_running_pod_and_answers_its_own_way(
    cluster: Cluster, clerk: Mapping[str, Any]
) -> None:
    before = lives(cluster)
    assert cluster.ask(QUESTION, model="clerk:descending").status_code == 404

    cluster.apply(with_adapters(clerk, descending=f"file://{DESCENDING}"))
    cluster.wait(f"specialist/{CLERK}", "condition=AdaptersReady")

    response = cluster.once_answered(QUESTION, "clerk:descending")
    assert answer(response) == "dcba"
    assert response.headers["x-tierwise-specialist"] == "default/clerk"
    assert response.headers["x-tierwise-adapter"] == "descending"
    assert answer(cluster.ask(QUESTION, model="default/clerk:descending")) == "dcba"
    assert answer(cluster.ask(QUESTION, model="clerk")) == "abcd"
    (row,) = adapters_of(cluster)
    assert (row["state"], row["rank"], row["loadedPods"]) == ("Loaded", 8, 1)
    assert lives(cluster) == before


def transcript(program: str) -> list[tuple[list[str], str]]:
    """The calls of a program that docs/adapters.md shows, and what each printed."""
    shown = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    calls = [call.partition("\n") for block in shown for call in f"\n{block}".split("\n$ ")[1:]]
    split = [(shlex.split(command), printed.strip()) for command, _, printed in calls]
    return [(words[1:], printed) for words, printed in split if words[0] == program]


def test_the_page_shows_what_really_happens(cluster: Cluster, clerk: Mapping[str, Any]) -> None:
    shown = transcript("tierwise")
    assert len(shown) == 3
    for words, printed in shown:
        done = cluster.tierwise(*words)
        assert (done.stdout + done.stderr).strip() == printed


def test_it_is_listed_behind_its_parent(cluster: Cluster, clerk: Mapping[str, Any]) -> None:
    listed = httpx.get(f"{cluster.url}/v1/models", timeout=60).json()["data"]
    parents = {model["id"]: model.get("parent") for model in listed}
    assert parents["clerk:descending"] == "clerk"


def test_what_is_unloaded_by_hand_comes_back(cluster: Cluster, clerk: Mapping[str, Any]) -> None:
    (url,) = engines(cluster)
    httpx.post(
        f"{url}/v1/unload_lora_adapter", json={"lora_name": "clerk:descending"}, timeout=10
    ).raise_for_status()  # vLLM refuses to unload what it has not; it may be back by now

    eventually(lambda: loaded_in(url), lambda names: names == ["clerk:descending"])
    assert answer(cluster.once_answered(QUESTION, "clerk:descending")) == "dcba"


def test_a_broken_adapter_is_told_and_the_others_serve(
    cluster: Cluster, clerk: Mapping[str, Any]
) -> None:
    before = lives(cluster)
    missing = DESCENDING.with_name("nowhere")
    cluster.apply(with_adapters(clerk, descending=f"file://{DESCENDING}", lost=f"file://{missing}"))
    told = eventually(
        lambda: cluster.condition(CLERK, "AdaptersReady"),
        lambda condition: condition.get("reason") == "SourceNotFound",
    )
    assert told["message"].startswith(
        f"spec.model.adapters[1].source: there is no directory {missing}"
    )
    assert answer(cluster.ask(QUESTION, model="clerk:descending")) == "dcba"
    assert answer(cluster.ask(QUESTION, model="clerk")) == "abcd"
    eventually(
        lambda: cluster.ask(QUESTION, model="clerk:lost"), lambda seen: seen.status_code == 503
    )
    assert lives(cluster) == before


def test_a_rank_over_the_limit_and_another_base_are_refused_before_any_pod_tries(
    cluster: Cluster, clerk: Mapping[str, Any]
) -> None:
    source = f"file://{DESCENDING}"
    ((_, rank_message),) = transcript("kubectl")
    for base, limit, words in (
        ("sorter", 1, rank_message),
        ("adder", 8, "was trained on sorter"),
    ):
        strict = with_adapters(made_like(cluster, base, "strict", maxRank=limit), x=source)
        strict["spec"]["placement"] = {"replicas": {"min": 0}}
        cluster.apply(strict)
        told = eventually(
            lambda: cluster.condition("strict", "AdaptersReady"),
            lambda condition, words=words: words in condition.get("message", ""),
        )
        assert told["message"].startswith("spec.model.adapters[0].source: 'x'")
        assert (told["status"], told["reason"]) == ("False", "InvalidAdapter")


def test_a_second_pod_gets_it_and_only_then_its_share(
    cluster: Cluster, clerk: Mapping[str, Any]
) -> None:
    before = lives(cluster)
    grown = with_adapters(clerk, descending=f"file://{DESCENDING}")
    grown["spec"]["placement"] = {**grown["spec"].get("placement", {}), "replicas": {"min": 2}}
    cluster.apply(grown)

    eventually(
        lambda: [(row["state"], row["loadedPods"]) for row in adapters_of(cluster)],
        lambda rows: rows == [("Loaded", 2)],
    )
    eventually(
        lambda: [loaded_in(url) for url in engines(cluster)],
        lambda found: found == [["clerk:descending"]] * 2,
    )
    answers = {answer(cluster.once_answered(QUESTION, "clerk:descending")) for _ in range(6)}
    assert answers == {"dcba"}
    after = lives(cluster)
    assert before.items() <= after.items()


def test_a_removed_adapter_is_gone_and_the_base_was_never_restarted(
    cluster: Cluster, clerk: Mapping[str, Any]
) -> None:
    before = lives(cluster)
    spec = cluster.get("specialist", CLERK)["spec"]
    cluster.apply(with_adapters({**clerk, "spec": spec}))

    gone = eventually(
        lambda: cluster.ask(QUESTION, model="clerk:descending"),
        lambda got: got.status_code == 404,
    )
    assert gone.json()["error"]["code"] == "model_not_found"
    for url in engines(cluster):
        eventually(lambda url=url: loaded_in(url), lambda names: names == [])
    assert answer(cluster.ask(QUESTION, model="clerk")) == "abcd"
    eventually(lambda: adapters_of(cluster), lambda rows: rows == [])
    assert lives(cluster) == before
    assert set(before.values()) == {0}


@pytest.fixture
def stored(cluster: Cluster, clerk: Mapping[str, Any]) -> Iterator[FakeS3]:
    """The adapter in an object store on this machine's side of the cluster's network."""
    with fake_s3(our_address(cluster)) as store:
        files = {f"descending/{path.name}": path.read_bytes() for path in DESCENDING.iterdir()}
        store.objects["adapters"] = files
        keys = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": store.endpoint,
        }
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "adapter-store", "namespace": "default"},
                "stringData": keys,
            }
        )
        yield store
        cluster.delete("secret", "adapter-store")


def our_address(cluster: Cluster) -> str:
    """The address by which pods reach this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((urlsplit(cluster.url).hostname, 9))
        return str(probe.getsockname()[0])


def test_an_adapter_of_an_object_store_is_fetched_beside_the_engine(
    cluster: Cluster, clerk: Mapping[str, Any], stored: FakeS3
) -> None:
    manifest = with_adapters(clerk, far="s3://adapters/descending")
    manifest["spec"]["model"] |= {"secretRef": {"name": "adapter-store"}}
    cluster.apply(manifest)

    # The first adapter that has to be fetched brings the container that fetches: a new revision.
    response = eventually(lambda: ask_far(cluster), lambda got: got.status_code == 200)
    assert answer(response) == "dcba"
    # While a pod of the old revision is left, it is one that lacks the adapter.
    eventually(
        lambda: [(row["name"], row["state"], row["rank"]) for row in adapters_of(cluster)],
        lambda rows: rows == [("far", "Loaded", 8)],
    )


def ask_far(cluster: Cluster) -> httpx.Response:
    return cluster.ask(QUESTION, model="clerk:far")
