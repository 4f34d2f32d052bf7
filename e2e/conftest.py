"""One real cluster for the whole session, made by the README's own command.

`TIERWISE_E2E_CLUSTER=NAME` uses a cluster that `make up NAME=...` left running, and leaves it.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from cluster import ROOT, Cluster


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster that `make up` makes, removed afterwards by `make down`."""
    standing = os.environ.get("TIERWISE_E2E_CLUSTER")
    name = standing or name_of_this_checkout()
    terminal = request.config.pluginmanager.getplugin("capturemanager")
    with terminal.global_and_fixture_disabled():
        if not standing:
            make("down", name)  # what a run that was killed may have left
        make("up", name)
    yield describe(name)
    if not standing:
        with terminal.global_and_fixture_disabled():
            make("down", name)


@pytest.fixture(scope="module", autouse=True)
def fleet(request: pytest.FixtureRequest, cluster: Cluster) -> None:
    """Who of the quickstart's models is awake: all but those that a module names in ``ASLEEP``.

    Stories that need free GPUs come one after the other, so nobody is woken in between. A module
    with ``ASLEEP = None`` does not mind.
    """
    asleep: Sequence[str] | None = getattr(request.module, "ASLEEP", ())
    if asleep is not None:
        cluster.let_sleep(asleep)


def name_of_this_checkout() -> str:
    """A cluster name that two checkouts on one machine do not share."""
    return "e2e-" + hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]


def make(target: str, name: str) -> None:
    """Run a make target with its output on the test's own terminal, so that progress is seen."""
    done = subprocess.run(
        ["make", target, f"NAME={name}"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
        env=without_kubeconfig(),
    )
    if done.returncode:
        pytest.exit(f"make {target} NAME={name} failed; its output is above", returncode=1)


def describe(name: str) -> Cluster:
    """Where the running quickstart is."""
    told = subprocess.run(
        [sys.executable, "-m", "quickstart", "info", "--name", name, "--output", "json"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "hack")},
    )
    return Cluster(**json.loads(told.stdout))


def without_kubeconfig() -> dict[str, str]:
    """The end-to-end tests never touch a cluster that the user has."""
    return {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
