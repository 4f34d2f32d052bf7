"""The ``Placed`` condition: the tier and why, or every tier and why not."""

from tierwise_core.conditions import FALSE, TRUE, Status, Verdict
from tierwise_core.errors import PlacementError
from tierwise_core.lineage import Lineage
from tierwise_core.placement import Assignment, Share
from tierwise_core.quantities import format_bytes
from tierwise_core.sized import Sizing
from tierwise_core.specialist import Specialist


def judge(
    specialist: Specialist,
    sizing: Sizing,
    line: Lineage,
    assignment: Assignment | None,
    failure: PlacementError | None,
) -> Verdict:
    """Return the ``Placed`` verdict: the graph first, then the size, then the solver's word."""
    if line.parent is not None:
        return line.parent
    if specialist.external is not None:
        return _placed(TRUE, "External", "spec.external: runs elsewhere, needs no tier")
    if not sizing.memory:
        return _placed(sizing.verdict.status, sizing.verdict.reason, "waits until it is sized")
    if failure is not None or assignment is None:
        why = failure or PlacementError("no tier was found")
        return _placed(FALSE, why.reason, str(why))
    if assignment.missing_replicas:
        return _placed(FALSE, "NoCapacity", _partly(assignment))
    return _placed(TRUE, "Placed", _chosen(assignment))


def _chosen(assignment: Assignment) -> str:
    if len(assignment.shares) == 1:
        return f"{_place(assignment.primary)} for each replica, {_fit(assignment.primary)}"
    places = ", ".join(
        f"{share.replicas} on {share.tier} ({_gpus(share)} each, {_fit(share)})"
        for share in assignment.shares
    )
    return f"{assignment.placed_replicas} replicas, because no tier has room for all: {places}"


def _place(share: Share) -> str:
    return f"{_gpus(share)} of tier {share.tier}"


def _gpus(share: Share) -> str:
    return f"{share.gpus_per_replica} GPU{'' if share.gpus_per_replica == 1 else 's'}"


def _fit(share: Share) -> str:
    need = format_bytes(share.memory.total_bytes_per_gpu)
    return f"{need} of {format_bytes(share.usable_bytes_per_gpu)} on each"


def _partly(assignment: Assignment) -> str:
    wanted = assignment.placed_replicas + assignment.missing_replicas
    remedy = "free some, add nodes, or lower spec.placement.replicas.min"
    if len(assignment.shares) == 1:
        return (
            f"tier {assignment.tier} has room for {assignment.replicas} of {wanted} replicas "
            f"({assignment.gpus_per_replica} GPUs each); {remedy}"
        )
    places = ", ".join(f"{share.replicas} on {share.tier}" for share in assignment.shares)
    return (
        f"there is room for {assignment.placed_replicas} of {wanted} replicas ({places}); {remedy}"
    )


def _placed(status: Status, reason: str, message: str) -> Verdict:
    return Verdict("Placed", status, reason, message)
