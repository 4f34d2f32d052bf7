"""What `tierwise doctor` checks: pure functions from what was seen to what it means.

``checks(snapshot)`` answers in the order in which a person would mend things: the cluster, our
resources' definitions, nodes, GPUs, tiers, then operator, router and Specialists, and last what
is recorded.
"""

from tierwise_cli.checks.fleet import check_gpus, check_nodes, check_tiers
from tierwise_cli.checks.models import check_specialists
from tierwise_cli.checks.platform import check_cluster, check_definitions
from tierwise_cli.checks.recording import check_contents, check_ledger, keys_wanted
from tierwise_cli.checks.result import Check, Outcome, worst
from tierwise_cli.checks.seen import Probe, Snapshot, Unread, Workload
from tierwise_cli.checks.workloads import check_operator, check_router

__all__ = [
    "Check",
    "Outcome",
    "Probe",
    "Snapshot",
    "Unread",
    "Workload",
    "checks",
    "keys_wanted",
    "worst",
]

_IN_ORDER = (
    check_cluster,
    check_definitions,
    check_nodes,
    check_gpus,
    check_tiers,
    check_operator,
    check_router,
    check_specialists,
    check_ledger,
    check_contents,
)


def checks(snapshot: Snapshot) -> list[Check]:
    """Every check's result, in the order in which to mend things."""
    return [check(snapshot) for check in _IN_ORDER]
