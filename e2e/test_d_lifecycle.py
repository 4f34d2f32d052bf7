"""What a cluster does to us: edits, deletions, kills. Everything heals, nothing is lost."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from cluster import Cluster, answer, eventually

NAMESPACE = "tierwise-system"
ASLEEP = ("reverser", "generalist")  # both revisions of a Specialist fit side by side


def deployment_of(cluster: Cluster, name: str) -> str:
    """The name of a Specialist's only Deployment."""
    (found,) = cluster.names("deployments", f"tierwise.dev/specialist={name}")
    return found


@contextmanager
def questions_going_on(cluster: Cluster, model: str) -> Iterator[list[int]]:
    """Ask again and again in the background; the list fills with status codes."""
    codes: list[int] = []
    enough = threading.Event()

    def keep_asking() -> None:
        while not enough.is_set():
            codes.append(cluster.ask("sort dbca", model=model).status_code)
            enough.wait(0.2)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        yield codes
    finally:
        enough.set()
        asker.join()


def test_a_deployment_deleted_by_hand_comes_back(cluster: Cluster) -> None:
    before = cluster.get("deployment", deployment_of(cluster, "adder"))["metadata"]

    cluster.kubectl("delete", "deployment", before["name"], "--wait=true")

    selector = "tierwise.dev/specialist=adder"
    uids = "jsonpath={.items[*].metadata.uid}"
    eventually(
        lambda: cluster.kubectl("get", "deployments", "-l", selector, "-o", uids).split(),
        lambda found: len(found) == 1 and found != [before["uid"]],
    )
    assert deployment_of(cluster, "adder") == before["name"]
    cluster.wait("specialist/adder", "condition=Ready")
    assert answer(cluster.once_answered("add 17 and 25", "adder")) == "42"


def test_a_service_edited_by_hand_is_mended(cluster: Cluster) -> None:
    edit = json.dumps({"spec": {"selector": {"tierwise.dev/specialist": "nobody"}}})

    cluster.kubectl("patch", "service", "sorter", "--type=merge", "-p", edit)

    eventually(
        lambda: cluster.get("service", "sorter")["spec"]["selector"],
        lambda selector: selector.get("tierwise.dev/specialist") == "sorter",
    )


def test_a_killed_pod_heals_and_auto_keeps_answering_meanwhile(cluster: Cluster) -> None:
    (pod,) = cluster.pods("tierwise.dev/specialist=sorter")

    cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    seen = eventually(lambda: cluster.ask("sort dbca"), lambda r: r.status_code == 200)
    assert answer(seen) == "abcd"  # the frontier knows sorting as well
    eventually(
        lambda: cluster.pods("tierwise.dev/specialist=sorter"),
        lambda pods: bool(pods) and pod not in pods,
    )
    cluster.wait("specialist/sorter", "condition=Ready")
    eventually(
        lambda: cluster.ask("sort dbca").headers.get("x-tierwise-specialist"),
        lambda name: name == "default/sorter",
    )


def test_the_operator_killed_in_the_middle_resumes_where_the_cluster_is(cluster: Cluster) -> None:
    (pod,) = cluster.pods("app.kubernetes.io/component=operator", NAMESPACE)
    twin = twin_of(cluster, "sorter", "twin")
    cluster.apply(twin)
    cluster.kubectl("delete", "pod", pod, "-n", NAMESPACE, "--grace-period=0", "--force")

    cluster.wait("specialist/twin", "condition=Placed")
    cluster.wait("specialist/twin", "condition=Ready")

    assert answer(cluster.once_answered("sort dbca", "twin")) == "abcd"
    assert len(cluster.names("deployments", "tierwise.dev/specialist=twin")) == 1


def test_an_edited_engine_replaces_the_old_revision_without_losing_an_answer(
    cluster: Cluster,
) -> None:
    """The same model in another engine; another model is a rollout, see test_l_rollouts.py."""
    before = deployment_of(cluster, "twin")
    edited = twin_of(cluster, "sorter", "twin")
    known = edited["spec"].get("engine", {})
    env = [*known.get("env", []), {"name": "EDITED", "value": "yes"}]
    edited["spec"]["engine"] = {**known, "env": env}

    with questions_going_on(cluster, "twin") as codes:
        cluster.apply(edited)
        eventually(
            lambda: cluster.names("deployments", "tierwise.dev/specialist=twin"),
            lambda names: len(names) == 1 and before not in names,
            300,
        )

    assert codes
    assert set(codes) == {200}
    active = cluster.get("specialist", "twin")["status"]["activeRevision"]
    assert deployment_of(cluster, "twin").endswith(active)


def test_scale_to_zero_and_back_is_said(cluster: Cluster) -> None:
    cluster.kubectl("scale", "specialist", "twin", "--replicas=0")

    seen = eventually(
        lambda: cluster.condition("twin", "ServingReady"),
        lambda c: c.get("reason") == "ScaledToZero",
    )

    assert seen["status"] == "False"
    refused = eventually(
        lambda: cluster.ask("sort dbca", model="twin"), lambda r: r.status_code == 503
    )
    assert "twin" in refused.json()["error"]["message"]


def test_a_deleted_specialist_takes_its_children_along(cluster: Cluster) -> None:
    cluster.delete("specialist", "twin")

    for kind in ("deployments", "pods", "services"):
        eventually(
            lambda kind=kind: cluster.names(kind, "tierwise.dev/specialist=twin"),
            lambda names: names == [],
        )
    gone = eventually(
        lambda: cluster.ask("sort dbca", model="twin"), lambda r: r.status_code == 404
    )
    assert gone.json()["error"]["code"] == "model_not_found"


def test_a_router_pod_removed_under_load_loses_no_request(cluster: Cluster) -> None:
    pods = cluster.pods("app.kubernetes.io/component=router", NAMESPACE)

    with questions_going_on(cluster, "sorter") as codes:
        cluster.kubectl("delete", "pod", pods[0], "-n", NAMESPACE, "--wait=true")
        cluster.wait_for_router()

    assert set(codes) == {200}


def test_a_pod_that_is_cut_off_in_the_middle_of_its_answer_is_found_out(cluster: Cluster) -> None:
    """As with a node that lost its power, nobody closes the connection."""
    (router, *_) = cluster.routers()
    body = {
        "model": "sorter",
        "messages": [{"role": "user", "content": "sort dbca"}],
        "stream": True,
        "max_tokens": 200,
        "ignore_eos": True,
    }

    with ExitStack() as stack:
        stream = httpx.stream("POST", f"{router}/v1/chat/completions", json=body, timeout=120)
        events = stack.enter_context(stream).iter_lines()
        assert next(events).startswith("data: ")
        stack.enter_context(cut_off(cluster, "sorter"))
        *_, last = filter(None, events)

    assert "has given no sign of life for 30 s" in last
    assert answer(cluster.once_answered("sort dbca", "sorter")) == "abcd"


@contextmanager
def cut_off(cluster: Cluster, name: str) -> Iterator[None]:
    """Have nothing that a Specialist's pod sends reach a router; its node still sees it."""
    (pod,) = cluster.get_all("pods", f"tierwise.dev/specialist={name}")
    process = next(
        folder.name
        for folder in Path("/proc").glob("[0-9]*")
        if pod["metadata"]["uid"] in text_of(folder / "cgroup")
    )
    routers = [str(httpx.URL(url).host) for url in cluster.routers()]

    def route(verb: str) -> None:
        for address in routers:
            command = ["nsenter", "-t", process, "-n", "ip", "route", verb, "blackhole", address]
            subprocess.run(command, check=True)

    route("add")
    try:
        yield
    finally:
        route("del")


def text_of(path: Path) -> str:
    """What a file of a process says; empty once the process has ended."""
    try:
        return path.read_text()
    except OSError:
        return ""


def twin_of(cluster: Cluster, name: str, twin: str) -> dict[str, Any]:
    """The manifest of another Specialist like a running one, unknown to `auto`."""
    spec = cluster.get("specialist", name)["spec"] | {"field": "twins"}
    spec.pop("routing", None)
    return {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "Specialist",
        "metadata": {"name": twin, "namespace": "default"},
        "spec": spec,
    }
