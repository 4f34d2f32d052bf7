"""The pods of a Specialist, sorted into what serves and what does not."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tierwise_core.children import Child
from tierwise_core.fleet import Pod
from tierwise_core.pod_health import Trouble, of_revision, serving, trouble, worst
from tierwise_core.specialist import Specialist

__all__ = ["Engines", "Troupe", "engines", "troupe"]


@dataclass(frozen=True, slots=True)
class Troupe:
    """Which revisions belong together, because their pods run the same in different places.

    ``wanted`` are those that should run, the primary one first; ``kin`` names the edition of every
    revision that there is a Deployment of.
    """

    wanted: tuple[str, ...] = ()
    edition: str = ""
    kin: Mapping[str, str] = field(default_factory=dict)

    def group_of(self, revision: str) -> str:
        """Return the edition of a revision; one that nobody knows stands for itself.

        >>> Troupe(("a",), "e1", {"b": "e1", "c": "e0"}).group_of("b")
        'e1'
        """
        if revision in self.wanted:
            return self.edition
        return self.kin.get(revision) or revision


def troupe(wanted: Sequence[str], edition: str, deployments: Iterable[Child]) -> Troupe:
    """Return which of the Deployments belong together."""
    return Troupe(tuple(wanted), edition, {child.revision: child.edition for child in deployments})


@dataclass(frozen=True, slots=True)
class Engines:
    """The pods of a Specialist, seen from what should serve.

    Attributes:
        wanted: the revision that should serve; with several tiers that of the primary share.
        replicas: how many should serve.
        active: the revision whose pods get requests, of several the one with most; empty if none.
        pods: all that are not on their way out.
        ready: those that serve what should be served, wherever.
        endpoints: those that get requests.
        worst: what keeps a wanted pod from serving.
        loading: a container of a wanted revision runs.
        outdated: what gets requests is not what should serve.
    """

    wanted: str
    replicas: int
    active: str
    pods: tuple[Pod, ...]
    ready: tuple[Pod, ...]
    endpoints: tuple[Pod, ...]
    worst: Trouble | None
    loading: bool = False
    outdated: bool = False


def engines(specialist: Specialist, members: Troupe, replicas: int, pods: Sequence[Pod]) -> Engines:
    """Return the pods of a Specialist sorted into what serves and what does not."""
    alive = [p for p in pods if not (p.terminating or p.finished or p.worker)]
    mine = [pod for revision in members.wanted for pod in of_revision(alive, revision)]
    groups = _serving_by_group(alive, members)
    ready = groups.get(members.edition, ())
    group = _active(groups, members.edition, replicas)
    endpoints = groups.get(group, ())
    image = specialist.engine.image
    troubles = [found for pod in mine if (found := trouble(pod, image)) is not None]
    return Engines(
        wanted=next(iter(members.wanted), ""),
        replicas=replicas,
        active=_commonest(endpoints, members.wanted),
        pods=tuple(alive),
        ready=ready,
        endpoints=endpoints,
        worst=worst(troubles),
        loading=any(pod.running_since for pod in mine),
        outdated=bool(endpoints) and group != members.edition,
    )


def _serving_by_group(pods: Iterable[Pod], members: Troupe) -> dict[str, tuple[Pod, ...]]:
    """Return the pods that serve, by edition; pods of no revision are not ours to speak of."""
    groups: dict[str, list[Pod]] = {}
    for pod in serving(sorted(pods, key=lambda pod: pod.name)):
        if pod.revision:
            groups.setdefault(members.group_of(pod.revision), []).append(pod)
    return {group: tuple(found) for group, found in groups.items()}


def _active(groups: Mapping[str, Collection[Pod]], wanted: str, replicas: int) -> str:
    """Return the edition that gets the requests: the wanted one once nobody has more pods.

    Two editions never answer side by side: they may differ in what they answer.
    """
    ready = len(groups.get(wanted, ()))
    if ready and ready >= replicas:
        return wanted
    others = sorted(group for group in groups if group != wanted)
    best = max(others, key=lambda group: len(groups[group]), default=wanted)
    return best if len(groups.get(best, ())) > ready else wanted


def _commonest(pods: Iterable[Pod], wanted: Sequence[str]) -> str:
    """Return the revision of most pods; of equals the wanted one, then the first by name."""
    counts = Counter(pod.revision for pod in pods)
    order = {revision: -place for place, revision in enumerate(reversed(wanted), 1)}
    ranked = sorted(counts, key=lambda revision: (-counts[revision], order.get(revision, 0)))
    return next(iter(ranked), "")
