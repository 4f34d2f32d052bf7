"""From what engines count to a load: a look at a Specialist's pods, compared with the look before.

Gauges miss what begins and ends between two looks; counters do not. So a short request still
counts as activity, which is what keeps a Specialist awake.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tierwise_core.engine_metrics import EngineMetrics
from tierwise_core.fleet import Pod
from tierwise_core.load_history import Look
from tierwise_core.pod_health import serving, trouble


@dataclass(frozen=True, slots=True)
class Counted:
    """What the pods of a Specialist had counted at a moment, by the pod's key."""

    at_seconds: float
    engines: Mapping[str, EngineMetrics] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was served between two looks, in tokens; ``seconds`` is how long that was.

    ``in_flight`` are the requests that engines had at both looks: the lesser of the two numbers.
    """

    seconds: float
    generated_tokens: float
    prompt_tokens: float
    finished: float
    in_flight: int = 0


def loading(pods: Iterable[Pod], image: str) -> int:
    """Return how many pods are on their way to serve: on a node, not ready, and not in trouble.

    A pod that no node takes, or whose engine crashes, loads nothing that could be lost.

    >>> loading([Pod("a", "p", node="n"), Pod("a", "q"), Pod("a", "r", node="n", ready=True)], "i")
    1
    """
    return sum(_loads(pod, image) for pod in pods)


def _loads(pod: Pod, image: str) -> bool:
    if pod.terminating or pod.finished or not pod.node:
        return False
    found = trouble(pod, image)
    return found is not None and found.reason in {"CacheFetching", "PodsStarting"}


def traffic(before: Counted | None, now: Counted) -> Traffic | None:
    """Return what was served since the look before; None when there was none.

    An engine that was restarted counts from zero again, and one that is new had counted nothing:
    for both, what they have counted is what they have served.

    >>> page = EngineMetrics(0, 0, generation_tokens_total=90.0, prompt_tokens_total=5.0)
    >>> then, now = Counted(0.0, {}), Counted(2.0, {"ai/p": page})
    >>> traffic(then, now)
    Traffic(seconds=2.0, generated_tokens=90.0, prompt_tokens=5.0, finished=0.0, in_flight=0)
    """
    if before is None or now.at_seconds <= before.at_seconds:
        return None
    nothing = EngineMetrics(0, 0, 0.0, 0.0)
    pairs = [(before.engines.get(key, nothing), engine) for key, engine in now.engines.items()]
    return Traffic(
        seconds=now.at_seconds - before.at_seconds,
        generated_tokens=sum(
            _grown(was.generation_tokens_total, engine.generation_tokens_total)
            for was, engine in pairs
        ),
        prompt_tokens=sum(
            _grown(was.prompt_tokens_total, engine.prompt_tokens_total) for was, engine in pairs
        ),
        finished=sum(_grown(was.finished_total, engine.finished_total) for was, engine in pairs),
        in_flight=min(_in_flight(before), _in_flight(now)),
    )


def _in_flight(counted: Counted) -> int:
    return sum(engine.in_flight for engine in counted.engines.values())


def _grown(before: float, now: float) -> float:
    return now - before if now >= before else now


def look_at(
    pods: Iterable[Pod], counted: Counted, served: Traffic | None, held: int, image: str
) -> Look:
    """Return the load of a Specialist; ``held`` are requests that wait at routers for a pod."""
    mine = [pod for pod in pods if not pod.terminating]
    engines = [engine for pod in mine if (engine := counted.engines.get(pod.key))]
    tokens = served.generated_tokens + served.prompt_tokens if served else 0.0
    return Look(
        at_seconds=counted.at_seconds,
        in_flight=sum(engine.in_flight for engine in engines),
        waiting=sum(engine.waiting for engine in engines),
        held=held,
        finished=served.finished if served else 0.0,
        tokens_per_second=served.generated_tokens / served.seconds if served else None,
        active=tokens > 0,
        complete=all(pod.key in counted.engines for pod in serving(mine)),
        settled=not loading(mine, image),
    )
