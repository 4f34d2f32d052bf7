"""``WeightsReady`` and ``ServingReady``: what the pods say about the revision that should serve."""

from collections import Counter

from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Status, Verdict
from tierwise_core.engines import Engines
from tierwise_core.pod_health import FETCH_FAILURES, Trouble
from tierwise_core.specialist import Reading, ReadingFailed, ReadingPending, Specialist


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
    if state.worst and state.worst.reason in {"CacheFetching", *FETCH_FAILURES}:
        return _weights(FALSE, state.worst.reason, f"{source}: {state.worst.message}")
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
    count = _count(state)
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


def _count(state: Engines) -> str:
    """Return how many replicas are ready, and where if that is not one place."""
    ready = len(state.ready)
    if {pod.revision for pod in state.ready} <= {state.wanted}:
        return f"{ready} of {state.replicas} replicas of revision {state.wanted} ready"
    places = Counter(pod.tier or pod.revision for pod in state.ready)
    where = ", ".join(f"{count} on {tier}" for tier, count in sorted(places.items()))
    return f"{ready} of {state.replicas} replicas ready ({where})"


def _meanwhile(state: Engines) -> str:
    if not state.outdated:
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
