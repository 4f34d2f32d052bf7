"""A Specialist of a test's own that is given other models, and the users who ask it meanwhile."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from cluster import ROOT, Cluster, answer, eventually

MODELS = ROOT / "examples" / "models"
ASLEEP = ("reverser", "generalist")
"""Whose GPUs a Specialist and its candidate take: for the fixture ``fleet``."""

ENDED = frozenset({"Complete", "RolledBack", "Aborted"})
UNSEEN = frozenset({"Pending", "Benchmark", "Shadow"})
AT_ONCE = 4
LONG_S = 480.0
"""How long a whole rollout may take on a busy machine."""

STRATEGY: dict[str, Any] = {
    "initialWeightPercent": 50,
    "minInteractions": 10,
    "windowInteractions": 5,
    "cooldown": "5s",
    "onInconclusive": "Hold",
    # What a first rollout on an empty cluster cannot have.
    "skipGates": [
        "EvalReadiness",
        "QualityFloor",
        "MeasuredCost",
        "Compliance",
        "OperationalReadiness",
        "RollbackPath",
        "RampPlan",
    ],
}

Manifest = dict[str, Any]


def with_model(manifest: Manifest, model: str) -> Manifest:
    """The same Specialist with another of the example models."""
    return changed(manifest, source=f"file://{MODELS}/{model}")


def changed(manifest: Manifest, **model: Any) -> Manifest:
    """The same Specialist with something else about its model."""
    spec = manifest["spec"]
    return {**manifest, "spec": {**spec, "model": {**spec["model"], **model}}}


@dataclass(frozen=True, slots=True)
class Apprentice:
    """A Specialist by its name: what becomes of the models that it is given."""

    cluster: Cluster
    name: str

    def manifest(self, named: str, strategy: Manifest) -> Manifest:
        """It runs the sorter's model on the cheapest tier, in a field of its own."""
        of_sorter = self.cluster.get("specialist", "sorter")["spec"]
        placement = {**of_sorter.get("placement", {}), "tiers": ["rtx-4090"]}
        return {
            "apiVersion": "tierwise.dev/v1alpha1",
            "kind": "Specialist",
            "metadata": {"name": self.name, "namespace": "default"},
            "spec": {
                "field": named,
                "model": of_sorter["model"],
                "engine": of_sorter["engine"],
                "placement": placement,
                "rollout": strategy,
            },
        }

    def begin(self, manifest: Manifest) -> None:
        """Apply it for the first time, and wait until it serves."""
        self.cluster.apply(manifest)
        self.cluster.wait(f"specialist/{self.name}", "condition=Ready")

    def given(self, manifest: Manifest) -> str:
        """Apply another model, and name the Rollout that comes of it."""
        known = set(self.rollouts())
        self.cluster.apply(manifest)
        (name,) = eventually(lambda: set(self.rollouts()) - known, bool)
        return str(name)

    def rollouts(self) -> list[str]:
        """The names of its Rollouts."""
        found = self.cluster.get_all("rollouts", "")
        of = [r for r in found if r["spec"]["specialistRef"]["name"] == self.name]
        return [one["metadata"]["name"] for one in of]

    def told(self, rollout: str) -> Manifest:
        """A Rollout's status."""
        return dict(self.cluster.get("rollout", rollout).get("status", {}))

    def stage(self, rollout: str) -> str:
        """A Rollout's stage; empty as long as nobody has looked at it."""
        return str(self.told(rollout).get("stage", ""))

    def stages(self, rollout: str) -> list[str]:
        """The stages that a Rollout has gone by, in their order."""
        steps = [str(step["stage"]) for step in self.told(rollout)["trajectory"]]
        return [stage for stage, _ in itertools.groupby(steps)]

    def reason(self, rollout: str) -> str:
        """What a Rollout waits for, in a word."""
        conditions = self.told(rollout).get("conditions", [])
        return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), "")

    def reaches(self, rollout: str, *stages: str) -> str:
        """Wait until a Rollout is in one of these stages."""
        return eventually(lambda: self.stage(rollout), lambda now: now in stages, LONG_S)

    def has(self, pods: dict[str, tuple[str, str]]) -> None:
        """Wait until these very pods are left."""
        eventually(self.pods, lambda seen: seen == pods)

    def status(self) -> Manifest:
        """Its own status."""
        return dict(self.cluster.get("specialist", self.name)["status"])

    def stable(self) -> Manifest:
        """The model that it serves with."""
        return dict(self.status().get("stable", {}).get("model", {}))

    def is_rejected_for(self, rollout: str) -> None:
        """Wait until it says which Rollout went back."""
        told = eventually(
            lambda: self.cluster.condition(self.name, "RolloutRejected"),
            lambda condition: condition.get("status") == "True",
        )
        assert rollout in told["message"]

    def pods(self) -> dict[str, tuple[str, str]]:
        """The pods that run: name, with what they are and what they began as."""
        found = self.cluster.get_all("pods", f"tierwise.dev/specialist={self.name}")
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["labels"]["tierwise.dev/edition"],
                pod["metadata"]["uid"],
            )
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
        }


@contextmanager
def crowd(ask: Callable[[], object]) -> Iterator[None]:
    """Have some people ask all the while, each one question after the other."""
    ended = threading.Event()

    def keep_asking() -> None:
        while not ended.is_set():
            ask()

    with ThreadPoolExecutor(AT_ONCE) as people:
        asking = [people.submit(keep_asking) for _ in range(AT_ONCE)]
        try:
            yield
        finally:
            ended.set()
        for person in asking:
            person.result()


@dataclass(slots=True)
class Users:
    """They ask to have letters sorted, each in a session, and say whether it was done.

    Those who do not ``speak`` keep what they think of it to themselves. After ``bears`` wrong
    answers among them they ask no more.
    """

    cluster: Cluster
    model: str
    speak: bool = True
    bears: int | None = None
    codes: list[int] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def asking(self) -> AbstractContextManager[None]:
        """Ask all the while."""
        return crowd(self.ask)

    def ask(self) -> bool:
        """Ask one question and judge the answer."""
        if self.bears is not None and self.right.count(False) >= self.bears:
            time.sleep(0.2)
            return False
        number = next(self._numbers)
        letters = word(number)
        response = self.cluster.ask(f"sort {letters}", model=self.model, user=f"user-{number}")
        self.codes.append(response.status_code)
        if response.status_code != httpx.codes.OK:
            return False
        self.sides.append(response.headers.get("x-tierwise-side", ""))
        accepted = answer(response) == "".join(sorted(letters))
        self.right.append(accepted)
        if not self.speak:
            return accepted
        word_on_it = {"decision": response.headers["x-tierwise-decision"], "accepted": accepted}
        httpx.post(f"{self.cluster.url}/v1/feedback", json=word_on_it, timeout=60)
        return accepted


def word(number: int) -> str:
    """Four letters that are sorted in neither direction.

    >>> word(0), word(1)
    ('dacb', 'ebdc')
    """
    letters = "abcdefghijklmnop"
    first = number % 12
    return letters[first + 3] + letters[first] + letters[first + 2] + letters[first + 1]


def watched(
    apprentice: Apprentice, rollout: str, bears: int | None = None
) -> tuple[Users, list[str]]:
    """Let users ask until a Rollout has ended; tell how they fared, and the stages it went by.

    Nobody meets green before its canary, and nobody asks on after ``bears`` wrong answers.
    """
    users = Users(apprentice.cluster, apprentice.name, bears=bears)

    def look() -> str:
        sides = list(users.sides)
        now = apprentice.stage(rollout)
        assert now not in UNSEEN or "green" not in sides
        return now

    with users.asking():
        eventually(look, lambda now: now in ENDED, LONG_S)
    return users, apprentice.stages(rollout)
