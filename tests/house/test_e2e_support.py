"""What the stories on the real cluster stand on: a hiccup is no failure, and a failure is one."""

import time
from pathlib import Path

import pytest
from cluster import Cluster, KubectlError

REFUSED = "The connection to the server 10.0.0.1:6443 was refused - connect: connection refused"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster whose kubectl says each word of ``words`` once, and answers when none is left."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        "#!/bin/sh\n"
        'cd "${0%/*}"\n'
        'word=$(head -n 1 words) && sed -i 1d words && [ -n "$word" ] || { echo found; exit; }\n'
        'echo "$word" >&2\n'
        "exit 1\n"
    )
    kubectl.chmod(0o755)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return Cluster("one", str(tmp_path / "kubeconfig"), str(kubectl), "http://127.0.0.1:1")


def says(cluster: Cluster, *words: str) -> None:
    Path(cluster.kubectl_path).with_name("words").write_text("".join(f"{one}\n" for one in words))


@pytest.mark.parametrize(
    "hiccup",
    [
        REFUSED,
        "Unable to connect to the server: net/http: TLS handshake timeout",
        "Error from server: etcdserver: request timed out",
        "Operation cannot be fulfilled on deployments.apps: the object has been modified",
    ],
)
def test_what_a_moment_mends_is_tried_again(cluster: Cluster, hiccup: str) -> None:
    says(cluster, hiccup, hiccup)

    assert cluster.kubectl("get", "pods") == "found\n"


def test_what_no_moment_mends_is_told_at_once(cluster: Cluster) -> None:
    says(cluster, 'Error from server (NotFound): pods "a" not found', "never asked for")

    with pytest.raises(KubectlError, match="NotFound"):
        cluster.kubectl("get", "pod", "a")
    assert Path(cluster.kubectl_path).with_name("words").read_text() == "never asked for\n"


def test_a_cluster_that_stays_away_is_told_in_the_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    says(cluster, *[REFUSED] * 9)

    with pytest.raises(KubectlError, match="refused"):
        cluster.kubectl("get", "pods")
    assert Path(cluster.kubectl_path).with_name("words").read_text() == f"{REFUSED}\n" * 6
