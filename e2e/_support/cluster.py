"""A real cluster as the tests speak of it: apply, read, wait, ask."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 240.0
"""How long a story waits for what a busy machine does late; what comes soon costs nothing."""

QUICKSTART: Final = ("sorter", "reverser", "adder", "generalist", "frontier")
SMALL_TIER: Final = ("gputier", "rtx-4090")
HICCUP_S: Final = 60.0
HICCUP: Final = re.compile(
    "connection refused|connection reset|TLS handshake timeout|i/o timeout|unexpected EOF"
    "|client connection lost|etcdserver: |currently unable to handle the request"
    "|object has been modified"
)
"""What kubectl says where the same words may do a moment later."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster with tierwise on it.

    Attributes:
        name: The local cluster's name.
        kubeconfig: Path of the administrator's kubeconfig.
        kubectl_path: The kubectl built beside the cluster's own version.
        url: Where the router answers, without a trailing slash.
    """

    name: str
    kubeconfig: str
    kubectl_path: str
    url: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl, again after a hiccup of the cluster; a failure carries what it printed."""
        deadline = time.monotonic() + HICCUP_S
        while True:
            done = subprocess.run(
                [self.kubectl_path, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                env=self.environment,
            )
            if not done.returncode:
                return done.stdout
            if not HICCUP.search(done.stderr) or time.monotonic() > deadline:
                raise KubectlError(done.stderr.strip())
            time.sleep(0.5)

    def log(self, pod: str, *where: str) -> str:
        """What a pod has written; empty while its container has not begun, or is gone."""
        try:
            return self.kubectl("logs", pod, *where)
        except KubectlError:
            return ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which commands see this cluster and this router."""
        return os.environ | {"KUBECONFIG": self.kubeconfig, "TIERWISE_URL": self.url}

    @property
    def our_address(self) -> str:
        """The address by which pods, and the API server, reach this process."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((urlsplit(self.url).hostname, 9))
            return str(probe.getsockname()[0])

    def get(self, kind: str, name: str, namespace: str = "default") -> dict[str, Any]:
        """Read one object."""
        found = self.kubectl("get", kind, name, "-n", namespace, "-o", "json")
        return dict(json.loads(found))

    def names(self, kind: str, selector: str = "", namespace: str = "default") -> list[str]:
        """List the names of what a label selector finds."""
        listed = json.loads(
            self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        )
        return [item["metadata"]["name"] for item in listed["items"]]

    def pods(self, selector: str, namespace: str = "default") -> list[str]:
        """List the pods that a label selector finds, without those that are on their way out."""
        found = self.get_all("pods", selector, namespace)
        return [
            pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]
        ]

    def get_all(self, kind: str, selector: str, namespace: str = "default") -> list[dict[str, Any]]:
        """Read the objects that a label selector finds."""
        found = self.kubectl("get", kind, "-n", namespace, "-l", selector, "-o", "json")
        return list(json.loads(found)["items"])

    def apply(self, *manifests: Mapping[str, Any]) -> None:
        """Apply as a person would: server side, under their own field manager."""
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(manifests))

    def delete(self, kind: str, *names: str) -> None:
        """Delete and wait until the objects are gone."""
        self.kubectl("delete", kind, *names, "--ignore-not-found", f"--timeout={PATIENCE_S:.0f}s")

    def wait(self, what: str, condition: str, seconds: int = 240) -> None:
        """Wait as a person would: `wait("specialist/sorter", "condition=Ready")`."""
        self.kubectl("wait", what, f"--for={condition}", f"--timeout={seconds}s")

    def condition(self, specialist: str, kind: str) -> dict[str, Any]:
        """A Specialist's condition, or an empty one while it has none."""
        status = self.get("specialist", specialist).get("status", {})
        found = [c for c in status.get("conditions", []) if c["type"] == kind]
        return found[0] if found else {}

    def let_sleep(self, names: Sequence[str]) -> None:
        """Stop these models of the quickstart, each on an RTX 4090 of its own; wake the others."""
        for name in QUICKSTART:
            awake = self.get("specialist", name)["spec"]["placement"]["replicas"]["min"] > 0
            if awake == (name in names):
                self.kubectl("scale", "specialist", name, f"--replicas={int(not awake)}")
        for name in QUICKSTART:
            if name not in names:
                self.wait(f"specialist/{name}", "condition=Ready")
        eventually(self.free_gpus, lambda free: free >= len(names))

    def free_gpus(self) -> int:
        """RTX 4090s that no pod holds, as the tier's own status counts them."""
        return int(self.get(*SMALL_TIER)["status"]["gpus"]["free"])

    def wait_for_router(self) -> None:
        """Wait until every router pod serves."""
        self.kubectl(
            *("rollout", "status", "deployment/tierwise-router"),
            *("-n", "tierwise-system", f"--timeout={PATIENCE_S:.0f}s"),
        )

    def routers(self) -> list[str]:
        """Where each router pod answers by itself, without a trailing slash."""
        pods = self.get_all("pods", "app.kubernetes.io/component=router", "tierwise-system")
        return [
            f"http://{pod['status']['podIP']}:8080"
            for pod in pods
            if not pod["metadata"].get("deletionTimestamp") and pod["status"].get("podIP")
        ]

    def make_up(self) -> None:
        """The README's command, once more."""
        command = ["make", "up", f"NAME={self.name}"]
        clean = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        subprocess.run(command, cwd=ROOT, check=True, env=clean, stdout=sys.__stderr__)

    def ask(
        self, question: str, model: str = "auto", *, at: str = "", **extra: Any
    ) -> httpx.Response:
        """Ask the router, or the router pod at an address, one question, deterministically."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            **extra,
        }
        return httpx.post(f"{at or self.url}/v1/chat/completions", json=body, timeout=60)

    def once_answered(self, question: str, model: str) -> httpx.Response:
        """An answer, once every router pod gives one.

        Each learns of a ready pod a moment after the status says so, and the status of a moment ago
        may still speak of a pod that is gone. One that starts again takes no connection at first.
        """

        def tried(url: str) -> httpx.Response:
            try:
                return self.ask(question, model, at=url)
            except httpx.TransportError as error:
                return httpx.Response(httpx.codes.BAD_GATEWAY, text=repr(error))

        for url in self.routers():
            response = eventually(
                lambda url=url: tried(url),  # type: ignore[misc]
                lambda seen: seen.status_code == httpx.codes.OK,
            )
        return response

    def ask_patiently(self, question: str, model: str) -> httpx.Response:
        """Ask a Specialist that may have to wake first."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
        }
        return httpx.post(f"{self.url}/v1/chat/completions", json=body, timeout=600)

    def tierwise(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the `tierwise` command against this cluster."""
        command = [str(Path(sys.executable).with_name("tierwise")), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, env=self.environment
        )


class KubectlError(AssertionError):
    """kubectl said no; the message is what it printed."""


def answer(response: httpx.Response) -> str:
    """The text of a chat completion."""
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["message"]["content"])


def eventually(
    probe: Callable[[], T], expected: Callable[[T], bool], seconds: float = PATIENCE_S
) -> T:
    """Look again until it is as expected; on time-out the last sight is the message."""
    deadline = time.monotonic() + seconds
    while True:
        seen = probe()
        if expected(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s; last seen: {seen}")
        time.sleep(0.5)
