"""The two sides of a Specialist: blue, which serves, and green, the candidate of a rollout.

A pure function of the spec, of what ``status.stable`` says, and of the Rollouts there are. The end
of a Rollout is taken in as soon as it is seen, and published with the next status: whoever is
killed in between finds the same end again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tierwise_core.conditions import BROKEN
from tierwise_core.revision import DNS_LABEL_LIMIT, digest, dns_label
from tierwise_core.rollout.history import surplus
from tierwise_core.rollout.order import MODEL_CHANGED, Order, current
from tierwise_core.rollout.stages import Stage
from tierwise_core.specialist import ModelSpec, Specialist
from tierwise_core.stable import (
    Rejected,
    Stable,
    changed_adapters,
    engine_digest,
    model_digest,
    read_stable,
    same,
    served,
)

__all__ = ["GREEN", "LAST", "Sides", "sides"]

GREEN: Final = "green"
DRIFT: Final = "Drift"
"""The trigger of a Rollout whose candidate was trained because what serves had drifted."""

LAST: Final = -(10**9)
"""The priority of a candidate: below all that a Specialist can have, so that it pushes nobody."""

STILL: Final = frozenset({Stage.PAUSED, Stage.ROLLING_BACK})
"""Stages in which green's pods stay as they are and none is started."""

SAME_PODS: Final = (
    "the candidate's pods would be the very same as those that serve: nothing that the engine is "
    "told differs"
)
"""Such a candidate serves already, under another name."""

PAST_MENDING: Final = BROKEN | {"NoCapacity", "Unschedulable"}


@dataclass(frozen=True, slots=True)
class Sides:
    """One Specialist as it is written, and as it runs.

    Attributes:
        spec: as it is written.
        blue: with the model that serves.
        green: with the candidate's, as long as a Rollout tries it.
        stable: what to publish of what serves; None before anything has.
        order: the Rollout that is under way.
        ended: the one whose end was just taken in.
        superseded: the digest of a newer ``spec.model``, which the Rollout's candidate is not.
        refused: why the candidate cannot be tried.
        opens: the name of the Rollout to create for ``spec.model``; empty for none.
        waits: whether one has to be created, and nothing serves yet to compare with.
        surplus: ended Rollouts that are not kept any longer.
    """

    spec: Specialist
    blue: Specialist
    green: Specialist | None = None
    stable: Stable | None = None
    order: Order | None = None
    ended: Order | None = None
    superseded: str = ""
    refused: str = ""
    opens: str = ""
    waits: bool = False
    surplus: tuple[Order, ...] = ()

    @property
    def adopts(self) -> bool:
        """Whether green's pods have just become blue's."""
        return self.ended is not None and self.ended.promoted

    @property
    def promoted(self) -> bool:
        """Whether green serves everybody, with blue kept warm."""
        return self.order is not None and self.order.promoted

    @property
    def holds(self) -> bool:
        """Whether what serves keeps its engine.

        It does while a candidate is tried, which tries a changed engine too, and after that one was
        rejected with the engine it was tried with.
        """
        if self.green or self.opens:
            return True
        if self.stable is None or self.stable.rejected is None:
            return False
        refused = self.stable.rejected.engine
        return refused == engine_digest(self.spec.engine) and refused != self.stable.engine

    @property
    def still(self) -> bool:
        """Whether green's pods stay as they are."""
        return self.order is None or self.order.stage in STILL

    @property
    def all(self) -> tuple[Specialist, ...]:
        """The sides there are."""
        return (self.blue,) if self.green is None else (self.blue, self.green)


def sides(specialist: Specialist, orders: Collection[Order] = (), *, serves: bool = True) -> Sides:
    """Return what serves, what is tried, and what of both is news.

    ``serves`` says whether blue has a pod that answers.
    """
    stable, model = read_stable(specialist.status), specialist.model
    if model is None or specialist.invalid is not None:
        return Sides(specialist, specialist, stable=stable if specialist.invalid else None)
    if stable is None:
        return Sides(specialist, specialist, order=current(orders))
    stable, ended = _taken_in(specialist, model, stable, orders)
    order, wanted = current(orders), model_digest(model, stable.model)
    stable = _given_another_chance(specialist, stable, wanted)
    if same(model, stable.model):
        stable = _adopted(stable, model, wanted)
    elif stable.answers != wanted and order is None and not serves and _past_mending(specialist):
        return Sides(specialist, specialist, ended=ended)  # nothing serves that could be compared
    serving = served(model, stable)
    blue = specialist
    if (serving, stable.mark) != (model, ""):
        blue = replace(specialist, model=serving, mark=stable.mark)
    if serving != stable.model:
        stable = replace(stable, model=serving)
    old = surplus(orders, specialist.rollouts_kept, _named(specialist, stable))
    found = Sides(specialist, blue, stable=stable, order=order, ended=ended, surplus=old)
    return _beside(found, wanted, {one.name for one in orders}, serves=serves)


def _named(specialist: Specialist, stable: Stable) -> set[str]:
    """Return the Rollouts that a status speaks of."""
    named = str((specialist.status.get("rollout") or {}).get("name") or "")
    return {stable.rollout, named, stable.rejected.rollout if stable.rejected else ""}


def _beside(found: Sides, wanted: str, taken: Collection[str], *, serves: bool) -> Sides:
    """Add what is tried beside blue, or what should be."""
    order, stable, model = found.order, found.stable, found.spec.model
    if stable is None or model is None:
        return found
    is_news = stable.answers != wanted
    if is_news and stable.rejected is not None:
        stable = replace(stable, rejected=None)
    if order is None:
        if not is_news or found.adopts:
            return found if stable is found.stable else replace(found, stable=stable)
        name = _free_name(found.spec.name, wanted, taken) if serves else ""
        return replace(found, stable=stable, opens=name, waits=not serves)
    if order.candidate is None:  # it is being made, for the model that serves
        return replace(found, stable=stable, superseded=wanted if is_news else "")
    tried = model_digest(order.candidate, stable.model)
    unwanted = {MODEL_CHANGED: tried != wanted, DRIFT: is_news}.get(order.trigger, False)
    return replace(
        found,
        stable=replace(stable, rejected=None),
        green=_green(found.blue, order, order.candidate, stable),
        superseded=wanted if unwanted else "",
        refused="" if tried != model_digest(stable.model, stable.model) else _EQUAL,
    )


def _free_name(specialist: str, wanted: str, taken: Collection[str]) -> str:
    """Return a name for a new Rollout; one that was rejected before may be tried once more.

    >>> _free_name("sorter", "5d8f7c9b", {"sorter-5d8f7c9b"})
    'sorter-5d8f7c9b-2'
    """
    base = f"{dns_label(specialist, DNS_LABEL_LIMIT - len(wanted) - 5)}-{wanted}"
    later = (f"{base}-{count}" for count in range(2, len(taken) + 3))
    return next(name for name in (base, *later) if name not in taken)


_EQUAL: Final = (
    "spec.candidate.model is the model that serves already (sizes, credentials and added adapters "
    "aside); name another source, revision, quantization or adapter"
)


def _green(blue: Specialist, order: Order, candidate: ModelSpec, stable: Stable) -> Specialist:
    return replace(
        blue,
        model=candidate,
        side=GREEN,
        mark=_mark(candidate, stable),
        priority=blue.priority if order.promoted else LAST,
    )


def _mark(candidate: ModelSpec, stable: Stable) -> str:
    """Return what tells green's pods from blue's where only the files of an adapter differ."""
    changed = changed_adapters(candidate, stable.model)
    return digest(changed) if changed else stable.mark


def _adopted(stable: Stable, model: ModelSpec, wanted: str) -> Stable:
    """The spec asks for what serves: whatever was rejected before is no longer asked for."""
    if stable.answers == wanted:
        return stable
    return replace(stable, model=model, answers=wanted, rejected=None)


def _given_another_chance(specialist: Specialist, stable: Stable, wanted: str) -> Stable:
    """A candidate that was rejected is news again in another engine."""
    lost = stable.rejected
    if lost is None or lost.revision != wanted:
        return stable
    if lost.engine in {"", engine_digest(specialist.engine)}:
        return stable
    return replace(stable, answers="", rejected=None)


def _past_mending(specialist: Specialist) -> bool:
    """Say whether blue does not serve and will not by itself; one that sleeps or starts will."""
    return any(
        condition.get("type") in {"Sized", "Placed", "ServingReady"}
        and condition.get("status") == "False"
        and condition.get("reason") in PAST_MENDING
        for condition in specialist.status.get("conditions") or ()
    )


def _taken_in(
    specialist: Specialist, model: ModelSpec, stable: Stable, orders: Iterable[Order]
) -> tuple[Stable, Order | None]:
    """Return what is stable after a Rollout that has ended, and that Rollout."""
    named = (specialist.status.get("rollout") or {}).get("name")
    for order in sorted(orders, key=lambda order: (order.created, order.name)):
        if not order.ended or order.candidate is None or order.name == stable.rollout:
            continue
        if order.name == named or _unseen(order, model, stable):
            return _after(order, order.candidate, specialist, stable), order
    return stable, None


def _unseen(order: Order, model: ModelSpec, stable: Stable) -> bool:
    """Say whether a Rollout of ours began and ended while nobody looked."""
    newer = order.created >= stable.rollout_created
    if order.trigger != MODEL_CHANGED or order.candidate is None or not newer:
        return False
    wanted = model_digest(model, stable.model)
    return wanted != stable.answers and wanted == model_digest(order.candidate, stable.model)


def _after(order: Order, candidate: ModelSpec, spec: Specialist, stable: Stable) -> Stable:
    model = spec.model or stable.model
    known = replace(stable, rollout=order.name, rollout_created=order.created)
    tried, wanted = (model_digest(one, stable.model) for one in (candidate, model))
    if order.promoted:
        # A spec that has changed since the candidate was made is news, even if it has changed back.
        by_hand = order.trigger != MODEL_CHANGED and wanted == stable.answers
        return replace(
            known,
            model=candidate,
            answers=model_digest(model if by_hand else candidate, candidate),
            mark=_mark(candidate, stable),
            utility=_mapping(order.status.get("utility")),
            rejected=None,
        )
    if wanted != tried and order.trigger == MODEL_CHANGED:
        return known
    if wanted == tried and SAME_PODS in _verdict(order)[1]:
        return replace(known, model=candidate, answers=model_digest(candidate, candidate))
    answers = wanted if wanted == tried else stable.answers
    lost = Rejected(tried, order.name, *_verdict(order), engine=engine_digest(spec.engine))
    return replace(known, answers=answers, rejected=lost)


def _verdict(order: Order) -> tuple[str, str]:
    """Return why a Rollout was not promoted: a CamelCase word, and the whole story."""
    verdict, standing = _mapping(order.status.get("verdict")), order.standing
    reason = verdict.get("reason") or (standing.reason if standing else "") or order.stage.value
    message = verdict.get("message") or (standing.why if standing else "")
    return str(reason), str(message)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
