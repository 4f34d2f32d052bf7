"""``status.adapters`` and the condition ``AdaptersReady``: which pods have which adapter, and why.

The router sends a request for ``SPECIALIST:ADAPTER`` to the endpoints that have the adapter. So as
to keep the status small, an adapter lists the pods that lack it: none, nearly always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tierwise_core.adapter_checks import Finding
from tierwise_core.adapters import Sight, served_name
from tierwise_core.conditions import FALSE, TRUE, UNKNOWN, Status, Verdict, clip
from tierwise_core.fleet import Pod
from tierwise_core.specialist import Adapter, Specialist

ABSENT_LIMIT = 256
NAME_LIMIT = 63
MESSAGE_LIMIT = 1024
TOLD_PODS = 3


@dataclass(frozen=True, slots=True)
class AdaptersSeen:
    """What a pass knows of a Specialist's adapters.

    ``sights`` are by the pod's name. ``published`` are the pods that the status last published says
    have an adapter.
    """

    findings: tuple[Finding, ...] = ()
    sights: Mapping[str, Sight] = field(default_factory=dict)
    published: Mapping[Adapter, frozenset[str]] = field(default_factory=dict)


def published(status: Mapping[str, Any]) -> dict[Adapter, frozenset[str]]:
    """Return which pods have which adapter, as a status says.

    >>> row = {"name": "a", "source": "file:///a", "loadedPods": 1, "absentFrom": ["p2"]}
    >>> published({"endpoints": [{"pod": "p1"}, {"pod": "p2"}], "adapters": [row]})
    {Adapter(name='a', source='file:///a'): frozenset({'p1'})}
    """
    pods = {endpoint.get("pod", "") for endpoint in status.get("endpoints") or ()}
    return {
        Adapter(row["name"], row.get("source", "")): frozenset(
            pods.difference(row.get("absentFrom") or ()) if row.get("loadedPods") else ()
        )
        for row in status.get("adapters") or ()
    }


@dataclass(frozen=True, slots=True)
class Spread:
    """One adapter over the serving pods: who has it as the spec wants, in another version, not."""

    current: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Serving pods there are."""
        return len(self.current) + len(self.other) + len(self.absent)


def spread(one: Finding, seen: AdaptersSeen, pods: Sequence[Pod]) -> Spread:
    """Return how an adapter is spread over pods.

    A pod that was not asked yet, because the operator has just started, has what was published.
    """
    current: list[str] = []
    other: list[str] = []
    absent: list[str] = []
    failures: dict[str, str] = {}
    for name in sorted(pod.name for pod in pods):
        sight = seen.sights.get(name, Sight())
        published = one.path if name in seen.published.get(one.adapter, ()) else None
        found = published if sight.fresh else (sight.loaded or {}).get(one.served)
        (absent if found is None else current if found == one.path else other).append(name)
        setback = sight.setbacks.get(one.served)
        if found != one.path and setback is not None and setback.path == one.path:
            failures[name] = setback.message
    return Spread(tuple(current), tuple(other), tuple(absent), failures)


def rows(specialist: Specialist, seen: AdaptersSeen, pods: Sequence[Pod]) -> list[dict[str, Any]]:
    """Return ``status.adapters``: those of the spec in its order, then those on their way out."""
    asked = [_row(one, spread(one, seen, pods)) for one in seen.findings]
    return [*asked, *_leaving(specialist, seen, pods)]


def _row(one: Finding, over: Spread) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": one.adapter.name,
        "source": one.adapter.source,
        "state": state(one, over),
        "rank": one.rank,
        **_count(over),
        "message": clip(_story(one, over), MESSAGE_LIMIT),
    }
    return {name: value for name, value in row.items() if value not in (None, "", [])}


def _count(over: Spread) -> dict[str, Any]:
    having = over.total - len(over.absent)
    absent = list(over.absent[:ABSENT_LIMIT]) if having else []
    return {"loadedPods": having, "totalPods": over.total, "absentFrom": absent}


def state(one: Finding, over: Spread) -> str:
    """Return the one word for an adapter."""
    if one.trouble is not None:
        return "Failed"
    if over.total and len(over.current) == over.total:
        return "Loaded"
    if over.failures and not over.current:
        return "Failed"
    return "Partial" if over.current else "Loading"


def _story(one: Finding, over: Spread) -> str:
    """Return why an adapter is not everywhere; nothing when it is."""
    if one.trouble is not None:
        story = one.trouble.message
    elif over.total and len(over.current) == over.total:
        story = ""
    elif over.failures:
        story = _failures(over.failures)
    elif one.pending:
        story = f"reading {one.adapter.source}"
    elif over.absent or over.other:
        story = f"being loaded into {_names((*over.other, *over.absent))}"
    else:
        story = ""
    return f"{story}; the one before it answers meanwhile" if story and over.other else story


def _failures(failures: Mapping[str, str]) -> str:
    pod, message = next(iter(failures.items()))
    more = f" (and {len(failures) - 1} more pods)" if len(failures) > 1 else ""
    return f"pod {pod}{more} could not load it: {message}"


def _names(pods: Sequence[str]) -> str:
    more = f" and {len(pods) - TOLD_PODS} more" if len(pods) > TOLD_PODS else ""
    return ", ".join(pods[:TOLD_PODS]) + more


def _leaving(
    specialist: Specialist, seen: AdaptersSeen, pods: Sequence[Pod]
) -> list[dict[str, Any]]:
    """Return the adapters that pods still have and the spec does not."""
    prefix = served_name(specialist.name, "")
    asked = {one.served for one in seen.findings}
    sources: dict[str, str] = {}
    holders: dict[str, int] = {}
    for pod in pods:
        for served, path in (seen.sights.get(pod.name, Sight()).loaded or {}).items():
            if served.startswith(prefix) and served not in asked:
                holders[served] = holders.get(served, 0) + 1
                sources[served] = path
    return [
        {
            "name": served.removeprefix(prefix),
            "state": "Removing",
            "message": clip(f"{holders[served]} pods still have {sources[served]}", MESSAGE_LIMIT),
        }
        for served in sorted(holders)
        if len(served.removeprefix(prefix)) <= NAME_LIMIT
    ]


def adapters_verdict(seen: AdaptersSeen, pods: Sequence[Pod]) -> Verdict | None:
    """Return ``AdaptersReady``; None for a Specialist without adapters.

    The base model serves whatever this says.
    """
    if not seen.findings:
        return None
    spreads = [(one, spread(one, seen, pods)) for one in seen.findings]
    wrong = [one.trouble for one in seen.findings if one.trouble is not None]
    if wrong:
        return _verdict(FALSE, wrong[0].reason, "; ".join(each.message for each in wrong))
    failed = [f"{one.served}: {_story(one, over)}" for one, over in spreads if over.failures]
    if failed:
        return _verdict(FALSE, "LoadFailed", "; ".join(failed))
    if not pods:
        return _verdict(
            UNKNOWN, "NoPods", f"{_many(len(spreads))} to be loaded into the first pod that serves"
        )
    late = [f"{one.served}: {_story(one, over)}" for one, over in spreads if _story(one, over)]
    if late:
        return _verdict(FALSE, "Loading", "; ".join(late))
    names = ", ".join(one.served for one in seen.findings)
    return _verdict(TRUE, "Loaded", f"{names} on {len(pods)} of {len(pods)} serving pods")


def _many(count: int) -> str:
    return f"{count} adapter" if count == 1 else f"{count} adapters"


def _verdict(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("AdaptersReady", status, reason, message)
