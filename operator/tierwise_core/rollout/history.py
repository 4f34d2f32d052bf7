"""Which Rollouts that have ended are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tierwise_core.rollout.order import APPLIED, Order

__all__ = ["surplus"]


def surplus(orders: Iterable[Order], keep: int, needed: Collection[str]) -> tuple[Order, ...]:
    """Return the Rollouts that nobody needs any more, the oldest first.

    Of those that tierwise made and that have ended, the newest ``keep`` stay. One that a person
    applied is theirs: deleted, whatever manages their manifests would make it anew, and it would
    run again. The last promotion stays, since it says what an undo goes back to, and so do those
    ``needed`` by name.

    >>> from tierwise_core.rollout.situation import Standing
    >>> from tierwise_core.rollout.stages import Stage
    >>> end = {1: Stage.COMPLETE, 2: Stage.ROLLED_BACK, 3: Stage.ABORTED}
    >>> some = [Order("ai", f"v{n}", "u", 1, "ai/sorter", trigger="ModelChanged",
    ...     created=f"2026-01-0{n}", standing=Standing(stage)) for n, stage in end.items()]
    >>> [one.name for one in surplus(some, 1, ())], [one.name for one in surplus(some, 0, {"v3"})]
    (['v2'], ['v2'])
    """
    ended = sorted((one for one in orders if one.ended), key=lambda one: (one.created, one.name))
    promoted = [one.name for one in ended if one.promoted]
    needed = {*needed, *promoted[-1:]}
    ours = [one for one in ended if one.trigger != APPLIED]
    return tuple(
        one
        for one in ours[: max(0, len(ours) - keep)]
        if one.name not in needed and not one.deleting
    )
