"""``WeightsReady`` and ``ServingReady``: what the pods say about the revision that should serve."""

from collections.abc import Sequence
from dataclasses import dataclass

from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Status, Verdict
from tierwise_core.fleet import Pod
from tierwise_core.pod_health import Trouble, of_revision, serving, trouble, worst
from tierwise_core.specialist import Reading, ReadingFailed, ReadingPending, Specialist


@dataclass(frozen=True, slots=True)
class Engines:
    """The pods of a Specialist, seen from the revision that should serve.

    ``active`` is the revision whose pods get requests; empty while none has a ready pod.
    ``loading`` means that a container of the wanted revision runs.
    """

    wanted: str
    replicas: int
    active: str
    pods: tuple[Pod, ...]
    ready: tuple[Pod, ...]
    endpoints: tuple[Pod, ...]
    worst: Trouble | None
    loading: bool = False


def engines(specialist: Specialist, wanted: str, replicas: int, pods: Sequence[Pod]) -> Engines:
    """Return the pods of a Specialist sorted into what serves and what does not."""
    mine = of_revision(pods, wanted)
    ready = serving(mine)
    active = wanted if ready and len(ready) >= replicas else _best_other(wanted, pods)
    active = active or (wanted if ready else "")
    image = specialist.engine.image
    troubles = [found for pod in mine if (found := trouble(pod, image)) is not None]
    return Engines(
        wanted=wanted,
        replicas=replicas,
        active=active,
        pods=tuple(pod for pod in pods if not pod.terminating and not pod.finished),
        ready=ready,
        endpoints=serving(of_revision(pods, active)) if active else (),
        worst=worst(troubles),
        loading=any(pod.running_since for pod in mine),
    )


def _best_other(wanted: str, pods: Sequence[Pod]) -> str:
    """Return the other revision with the most ready pods, or nothing."""
    others = sorted({pod.revision for pod in pods if pod.revision and pod.revision != wanted})
    counts = {revision: len(serving(of_revision(pods, revision))) for revision in others}
    best = max(others, key=lambda revision: counts[revision], default="")
    return best if counts.get(best) else ""


def weights_verdict(specialist: Specialist, reading: Reading, state: Engines) -> Verdict:
    """Return ``WeightsReady``: has an engine loaded the weights?"""
    model = specialist.model
    if model is None:
        return _weights(TRUE, "External", "spec.external: the provider holds the weights")
    if state.ready:
        return _weights(TRUE, "Readable", f"loaded from {model.source} by {state.ready[0].name}")
    if isinstance(reading, ReadingPending):
        return _weights(UNKNOWN, "ReadingMetadata", f"the metadata of {model.source} is being read")
    if isinstance(reading, ReadingFailed) and reading.reason == "SourceNotFound":
        return _weights(FALSE, reading.reason, reading.message)
    return _unloaded(model.source, state)


def _unloaded(source: str, state: Engines) -> Verdict:
    if state.worst and state.worst.reason == "CrashLoop":
        return _weights(FALSE, "LoadFailed", state.worst.message)
    if state.replicas == 0:
        return _weights(UNKNOWN, "ScaledToZero", f"no pod has to load {source}")
    runs = state.loading and state.worst is not None and state.worst.reason == "PodsStarting"
    status = FALSE if runs else UNKNOWN  # before a container runs, nobody has tried
    story = f"; {state.worst.message}" if runs and state.worst else ""
    return _weights(status, "Loading", f"no pod has loaded {source} yet{story}")


def serving_verdict(specialist: Specialist, state: Engines, context: str = "") -> Verdict:
    """Return ``ServingReady``: does the revision the spec asks for serve with enough pods?

    ``context`` is what the rollover adds: why an old revision left early, why no pod exists.
    """
    if specialist.external is not None:
        url = specialist.external.base_url
        return _serving(TRUE, "External", f"spec.external.baseURL: {url} takes the requests")
    if state.replicas == 0:
        return _serving(FALSE, "ScaledToZero", _at_rest(specialist))
    count = f"{len(state.ready)} of {state.replicas} replicas of revision {state.wanted} ready"
    if len(state.ready) >= state.replicas:
        return _serving(TRUE, "PodsReady", count)
    found = state.worst or Trouble("PodsStarting", "no pod yet")
    story = (found.message, context, count, _meanwhile(state))
    return _serving(FALSE, found.reason, "; ".join(part for part in story if part))


def _at_rest(specialist: Specialist) -> str:
    if specialist.placement.scaling.sleeps:
        idle = f"{specialist.placement.scaling.sleep_after_seconds:g} s"
        return f"asleep: nobody asked for {idle}; the next request through a router wakes it"
    return "spec.placement.replicas.min is 0; set it to 1 or more to serve"


def _meanwhile(state: Engines) -> str:
    if not state.active or state.active == state.wanted:
        return ""
    return f"revision {state.active} serves meanwhile with {_pods(len(state.endpoints))}"


def not_started(specialist: Specialist, placed: Verdict, state: Engines) -> Verdict:
    """Return ``ServingReady`` for a Specialist that has no place to run."""
    if state.endpoints:
        message = f"revision {state.active} serves with {_pods(len(state.endpoints))} as before"
        return _serving(TRUE, "PodsReady", message)
    if state.replicas == 0:
        return serving_verdict(specialist, state)
    status = UNKNOWN if placed.status == UNKNOWN else FALSE
    return _serving(status, placed.reason, "no pod runs: it is not placed")


def _pods(count: int) -> str:
    return f"{count} pod" if count == 1 else f"{count} pods"


def _weights(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("WeightsReady", status, reason, message)


def _serving(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("ServingReady", status, reason, message)
