"""LoRA adapters in running pods: what each pod has to load and unload, and when to look again.

The truth is what a pod's own ``GET /v1/models`` says. A pass over a pod compares it with what the
Specialist wants, and nothing else is remembered but what failed and when to try that again. So an
operator that starts anew, a pod that was restarted and a person who unloads by hand all lead to the
same few steps.

An adapter answers to ``SPECIALIST:ADAPTER``. Only names that begin so are ever unloaded: the base
model and adapters that somebody loaded under other names are none of ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 300.0
SILENCES_BORNE = 3
LOOK_SECONDS = 10.0
"""How long what happened behind our back may last before it is seen."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An adapter that a pod should have: the model name it answers to, where its files are.

    ``source`` is set where they have to be fetched into the pod first.
    """

    served: str
    path: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """What every pod of a Specialist should have.

    ``kept`` are names that the spec has and that cannot be loaded now: what a pod has under them
    stays. ``prefix`` is what all our names begin with.
    """

    prefix: str
    wanted: tuple[Wanted, ...] = ()
    kept: frozenset[str] = frozenset()

    def has(self, served: str) -> bool:
        """Whether the spec knows the name."""
        return served in self.kept or any(one.served == served for one in self.wanted)


@dataclass(frozen=True, slots=True)
class Setback:
    """A step that failed: on which path, how often in a row, why, and when to try again."""

    path: str
    failures: int
    message: str
    again_at: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of one pod, by served name.

    ``loaded`` are the paths of the adapters it has; None as long as it has not answered.
    ``silences`` is how often in a row it did not answer: a busy engine may, and keeps what it has.
    """

    loaded: Mapping[str, str] | None = None
    setbacks: Mapping[str, Setback] = field(default_factory=dict)
    silences: int = 0

    @property
    def fresh(self) -> bool:
        """Whether the pod was never asked."""
        return self.loaded is None and not self.silences


@dataclass(frozen=True, slots=True)
class Load:
    """Load an adapter, after fetching its ``source`` if there is one.

    ``before`` is the path of the one of the same name that it replaces.
    """

    served: str
    path: str
    before: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Unload:
    """Unload an adapter that the spec no longer has."""

    served: str
    path: str


Step = Load | Unload


def served_name(specialist: str, adapter: str) -> str:
    """Return the model name that an adapter answers to.

    >>> served_name("sorter", "customer-a")
    'sorter:customer-a'
    """
    return f"{specialist}:{adapter}"


def backoff_seconds(failures: int) -> float:
    """Return how long to wait after that many failures in a row.

    >>> [backoff_seconds(n) for n in (1, 2, 3, 20)]
    [1.0, 2.0, 4.0, 300.0]
    """
    return float(min(FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 20), LONGEST_BACKOFF_SECONDS))


def steps(desired: Desired, sight: Sight, now: float) -> tuple[Step, ...]:
    """Return what to do in a pod now: first what makes room, then what takes it.

    >>> wish = Desired("s:", (Wanted("s:a", "/a"),))
    >>> steps(wish, Sight({"s:b": "/b", "other": "/x"}), 0.0)
    (Unload(served='s:b', path='/b'), Load(served='s:a', path='/a', before='', source=''))
    >>> steps(wish, Sight({"s:a": "/a"}), 0.0)
    ()
    """
    return tuple(step for step in _missing(desired, sight) if not _waits(step, sight, now))


def _missing(desired: Desired, sight: Sight) -> Sequence[Step]:
    """Return every step that a pod lacks, whether or not it may be tried now."""
    if sight.loaded is None:
        return ()
    loaded = sight.loaded
    surplus = [
        Unload(served, path)
        for served, path in sorted(loaded.items())
        if served.startswith(desired.prefix) and not desired.has(served)
    ]
    return [
        *surplus,
        *(
            Load(one.served, one.path, loaded.get(one.served, ""), one.source)
            for one in desired.wanted
            if loaded.get(one.served) != one.path
        ),
    ]


def _waits(step: Step, sight: Sight, now: float) -> bool:
    setback = sight.setbacks.get(step.served)
    return setback is not None and setback.path == step.path and now < setback.again_at


def settled(desired: Desired, sight: Sight) -> bool:
    """Say whether a pod has everything it should have, and nothing else of ours."""
    return sight.loaded is not None and not _missing(desired, sight)


def wait_seconds(desired: Desired, sight: Sight, now: float) -> float:
    """Return when to look at a pod again: soon for what failed, else to see what others did.

    >>> wait_seconds(Desired("s:"), Sight({}), 0.0)
    10.0
    >>> wait_seconds(Desired("s:"), Sight(silences=2), 0.0)
    2.0
    """
    if sight.silences or sight.loaded is None:
        return min(backoff_seconds(max(1, sight.silences)), LOOK_SECONDS)
    due = [
        sight.setbacks[step.served].again_at - now
        for step in _missing(desired, sight)
        if step.served in sight.setbacks
    ]
    return max(0.0, min([*due, LOOK_SECONDS]))


def observed(sight: Sight, desired: Desired, loaded: Mapping[str, str]) -> Sight:
    """Return what is known after a pod said what it has; setbacks that are over are forgotten."""
    open_names = {step.served for step in _missing(desired, Sight(loaded))}
    kept = {name: one for name, one in sight.setbacks.items() if name in open_names}
    return Sight(dict(loaded), kept)


def unanswered(sight: Sight) -> Sight:
    """Return what is known after a pod did not answer: after three times, nothing.

    >>> once = unanswered(Sight({"s:a": "/a"}))
    >>> once.loaded, unanswered(unanswered(once)).loaded
    ({'s:a': '/a'}, None)
    """
    silences = sight.silences + 1
    return replace(
        sight, silences=silences, loaded=sight.loaded if silences < SILENCES_BORNE else None
    )


def succeeded(sight: Sight, step: Step) -> Sight:
    """Return what is known after a step was done."""
    loaded = dict(sight.loaded or {})
    if isinstance(step, Load):
        loaded[step.served] = step.path
    else:
        loaded.pop(step.served, None)
    setbacks = {name: one for name, one in sight.setbacks.items() if name != step.served}
    return replace(sight, loaded=loaded, setbacks=setbacks)


def failed(sight: Sight, step: Step, message: str, now: float) -> Sight:
    """Return what is known after a step failed; it is tried again after a growing while.

    >>> step = Load("s:a", "/a")
    >>> twice = failed(failed(Sight({}), step, "no", 0.0), step, "no", 1.0)
    >>> twice.setbacks["s:a"].again_at
    3.0
    """
    before = sight.setbacks.get(step.served)
    count = before.failures + 1 if before is not None and before.path == step.path else 1
    setback = Setback(step.path, count, message, now + backoff_seconds(count))
    return replace(sight, setbacks={**sight.setbacks, step.served: setback})
