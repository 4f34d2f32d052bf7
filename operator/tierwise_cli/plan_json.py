"""A plan as JSON, for programs: the fields of docs/cli.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tierwise_core.fleet_changes import Change, Place
from tierwise_core.fleet_report import AllFrontier, FleetReport, Placed, Unplaced
from tierwise_core.placement import Rejection, Share
from tierwise_core.replica_speed import Speed
from tierwise_core.tier_usage import TierUsage

__all__ = ["PlanOutcome", "as_json"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """Everything that `tierwise plan` has to say.

    Attributes:
        report: the plan in figures.
        changes: against ``against``; ``None`` where there is nothing to compare with.
        against: what the changes are against, in words.
        what_ifs: the changes that were tried out, as the user wrote them.
        problems: what is wrong with the input.
        notes: what the figures rest on.
    """

    report: FleetReport
    changes: Sequence[Change] | None = None
    against: str = ""
    what_ifs: Sequence[str] = ()
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def as_json(outcome: PlanOutcome) -> Json:
    """The whole outcome; every price is in USD, every size in bytes."""
    report = outcome.report
    return {
        "specialists": [_placed(placed) for placed in report.placed],
        "unplaced": [_unplaced(unplaced) for unplaced in report.unplaced],
        "external": list(report.external),
        "tiers": [_tier(tier) for tier in report.tiers],
        "totals": _totals(report),
        "frontier": _frontier(report.frontier),
        "changes": _changes(outcome),
        "whatIf": list(outcome.what_ifs),
        "problems": [*outcome.problems, *report.problems],
        "notes": list(outcome.notes),
    }


def _placed(placed: Placed) -> Json:
    assignment = placed.assignment
    return {
        "name": placed.key,
        "replicas": assignment.placed_replicas,
        "wantedReplicas": placed.wanted,
        "shares": [
            _share(share, speed)
            for share, speed in zip(assignment.shares, placed.speeds, strict=True)
        ],
        "usdPerHour": _usd(assignment.usd_per_hour),
        "usdPer1kTokens": _usd(placed.usd_per_1k_tokens),
        "tokensPerSecond": _rounded(placed.tokens_per_second),
        "tokensPerSecondMeasured": placed.measured,
        "why": placed.why,
        "sized": placed.sized,
        "rejected": [_rejection(rejection) for rejection in placed.rejections],
    }


def _share(share: Share, speed: Speed | None) -> Json:
    return {
        "tier": share.tier,
        "replicas": share.replicas,
        "keptReplicas": share.kept,
        "gpusPerReplica": share.gpus_per_replica,
        "tensorParallel": share.tensor_parallel,
        "usdPerHour": _usd(share.usd_per_hour),
        "weightsBytes": share.memory.weights_bytes,
        "kvCacheBytes": share.memory.kv_cache_bytes,
        "activationBytes": share.memory.activation_bytes,
        "overheadBytes": share.memory.overhead_bytes,
        "totalBytesPerGPU": share.memory.total_bytes_per_gpu,
        "usableBytesPerGPU": share.usable_bytes_per_gpu,
        "headroomBytes": share.headroom_bytes,
        "tokensPerSecondPerReplica": _rounded(speed.tokens_per_second) if speed else None,
    }


def _unplaced(unplaced: Unplaced) -> Json:
    return {
        "name": unplaced.key,
        "reason": unplaced.reason,
        "message": unplaced.message,
        "replicas": unplaced.replicas,
        "rejected": [_rejection(rejection) for rejection in unplaced.rejections],
    }


def _rejection(rejection: Rejection) -> Json:
    return {"tier": rejection.tier, "code": str(rejection.code), "reason": rejection.reason}


def _tier(tier: TierUsage) -> Json:
    return {
        "name": tier.name,
        "usdPerGPUHour": tier.usd_per_gpu_hour,
        "nodes": tier.nodes,
        "gpus": tier.gpus,
        "used": tier.used,
        "usedByOthers": tier.others,
        "closed": tier.closed,
        "free": tier.free,
        "utilization": _rounded(tier.utilization, 4),
        "usdPerHour": _usd(tier.usd_per_hour),
    }


def _totals(report: FleetReport) -> Json:
    return {
        "gpus": sum(tier.gpus for tier in report.tiers),
        "used": sum(tier.used for tier in report.tiers),
        "free": sum(tier.free for tier in report.tiers),
        "usdPerHour": _usd(report.usd_per_hour),
        "usdPer1kTokens": _usd(report.usd_per_1k_tokens),
        "tokensPerSecond": _rounded(report.tokens_per_second),
    }


def _frontier(frontier: AllFrontier | None) -> Json | None:
    if frontier is None:
        return None
    return {
        "model": frontier.key,
        "tier": frontier.tier,
        "replicas": frontier.replicas,
        "gpus": frontier.gpus,
        "usdPerHour": _usd(frontier.usd_per_hour),
        "usdPer1kTokens": _usd(frontier.usd_per_1k_tokens),
    }


def _changes(outcome: PlanOutcome) -> Json | None:
    if outcome.changes is None:
        return None
    return {
        "against": outcome.against,
        "lines": [
            {
                "mark": str(change.mark),
                "name": change.key,
                "before": [_place(place) for place in change.before],
                "after": [_place(place) for place in change.after],
                "usdPerHour": _usd(change.usd_per_hour),
                "reason": change.reason,
            }
            for change in outcome.changes
        ],
    }


def _place(place: Place) -> Json:
    return {
        "tier": place.tier,
        "gpusPerReplica": place.gpus_per_replica,
        "replicas": place.replicas,
    }


def _usd(value: float | None) -> float | None:
    return _rounded(value, 9)


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)
