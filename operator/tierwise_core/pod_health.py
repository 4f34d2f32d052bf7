"""What keeps an engine pod from serving, in words a person can act on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tierwise_core.fetch_container import FETCHER
from tierwise_core.fleet import Exit, Pod

IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
CREATE_REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
# What the container that fetches a model says at the beginning of its last words.
FETCH_FAILURES = (
    "CacheCorrupt",
    "CacheFull",
    "CacheUnusable",
    "SourceNotFound",
    "SourceUnauthorized",
    "SourceUnreadable",
    "UnsupportedSource",
    "LoadFailed",
)
SEVERITY = (
    "ImagePullFailed",
    "CrashLoop",
    *FETCH_FAILURES,
    "ContainerError",
    "Unschedulable",
    "NotAdmitted",
    "CacheFetching",
    "PodsStarting",
)
LAST_WORDS_LIMIT = 300  # the end of a traceback; the whole is in the pod's log


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not serve: the condition's reason, and the whole story."""

    reason: str
    message: str


def trouble(pod: Pod, image: str) -> Trouble | None:
    """Return why a pod does not serve, or None when it does.

    >>> trouble(Pod("a", "p", ready=True), "vllm") is None
    True
    >>> trouble(Pod("a", "p", unschedulable="0/2 nodes are available"), "vllm").reason
    'Unschedulable'
    """
    if pod.ready and not pod.terminating:
        return None
    if pod.terminating:
        return Trouble("PodsStarting", f"pod {pod.name} is terminating")
    if pod.waiting_reason in IMAGE_REASONS | CREATE_REASONS:
        return _container_trouble(pod, image)
    if failed := _failed(pod):
        return failed
    return _waiting(pod)


def _waiting(pod: Pod) -> Trouble:
    """Return what a pod waits for that nothing is wrong with."""
    if pod.gates:
        gates = ", ".join(pod.gates)
        return Trouble("NotAdmitted", f"pod {pod.name} waits to be admitted ({gates})")
    if pod.unschedulable:
        return Trouble("Unschedulable", f"pod {pod.name}: {pod.unschedulable}")
    return Trouble("CacheFetching" if pod.fetching_since else "PodsStarting", _starting(pod))


def _container_trouble(pod: Pod, image: str) -> Trouble:
    if pod.waiting_reason in CREATE_REASONS:
        what = f"{pod.waiting_reason}: {pod.waiting_message}".rstrip(": ")
        return Trouble("ContainerError", f"pod {pod.name} cannot start its container: {what}")
    why = pod.waiting_message or pod.waiting_reason
    if pod.held_up_by == FETCHER:
        return Trouble(
            "ImagePullFailed",
            f"pod {pod.name} cannot pull the image that fetches its model ({why}); correct the "
            "chart's weights.image, or add imagePullSecrets in spec.engine.podTemplate",
        )
    return Trouble(
        "ImagePullFailed",
        f"spec.engine.image {image!r}: pod {pod.name} cannot pull it ({why}); "
        "correct the image, or add imagePullSecrets in spec.engine.podTemplate",
    )


def _failed(pod: Pod) -> Trouble | None:
    if pod.fetch_exit is not None:
        return _fetch_trouble(pod, pod.fetch_exit)
    if pod.last_exit is not None:
        return Trouble("CrashLoop", _crash(pod, pod.last_exit))
    return None


def _fetch_trouble(pod: Pod, last: Exit) -> Trouble:
    """The last words of a fetch that failed begin with its reason; it is tried again."""
    reason, colon, story = last.message.partition(": ")
    if not colon or reason not in FETCH_FAILURES:
        said = last_words(last.message) or f"exit code {last.code} {last.reason}".rstrip()
        reason, story = "LoadFailed", f"the model could not be fetched: {said}"
    return Trouble(reason, f"{story.strip()} (pod {pod.name}, tried {pod.restarts + 1} times)")


def _crash(pod: Pod, last: Exit) -> str:
    cause = f"exit code {last.code}" + (f", {last.reason}" if last.reason else "")
    times = f"{pod.restarts} restart" + ("" if pod.restarts == 1 else "s")
    said = last_words(last.message)
    tail = f"; it ended with: {said}" if said else f"; see kubectl logs --previous {pod.name}"
    return f"pod {pod.name}: the engine stopped ({cause}, {times}){tail}"


def last_words(log: str, limit: int = LAST_WORDS_LIMIT) -> str:
    r"""Return the last lines of a log in one line, as many as fit, at least a part of the last.

    >>> last_words("usage: serve\n  [--x]\nerror: unrecognized arguments: --y\n", 50)
    '[--x] | error: unrecognized arguments: --y'
    """
    kept: list[str] = []
    room = limit
    for line in reversed(log.splitlines()):
        words = " ".join(line.split())
        if words and kept and len(words) + 3 > room:
            break
        if words:
            kept.insert(0, words[-limit:])
            room -= len(words) + 3
    return " | ".join(kept)


def _starting(pod: Pod) -> str:
    if pod.fetching_since:
        return (
            f"pod {pod.name} on node {pod.node} fetches the model since {pod.fetching_since}; "
            f"kubectl logs {pod.name} -c {FETCHER} tells how far it is"
        )
    if pod.running_since:
        return f"pod {pod.name} on node {pod.node} is loading the model since {pod.running_since}"
    if pod.node:
        waits = pod.waiting_reason or "its container is being created"
        return f"pod {pod.name} on node {pod.node} is starting: {waits}"
    return f"pod {pod.name} waits for the scheduler"


def worst(troubles: Iterable[Trouble]) -> Trouble | None:
    """Return the trouble that a person has to look at first, or None.

    >>> worst([Trouble("PodsStarting", "a"), Trouble("CrashLoop", "b")]).message
    'b'
    """
    ordered = sorted(troubles, key=lambda found: (SEVERITY.index(found.reason), found.message))
    return ordered[0] if ordered else None


def of_revision(pods: Iterable[Pod], revision: str) -> tuple[Pod, ...]:
    """Return the pods of a revision that are not on their way out, by name."""
    return tuple(
        sorted(
            (
                pod
                for pod in pods
                if pod.revision == revision and not (pod.terminating or pod.finished or pod.worker)
            ),
            key=lambda pod: pod.name,
        )
    )


def serving(pods: Sequence[Pod]) -> tuple[Pod, ...]:
    """Return the pods that answer: ready, with an address, not on their way out."""
    return tuple(
        pod for pod in pods if pod.ready and pod.ip and not pod.terminating and not pod.worker
    )
