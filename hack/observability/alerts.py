"""The alert rules: what a person should look at, and what to do then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["ALERTS", "Alert", "queries", "rules"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule: a query that gives a series for each thing that is wrong."""

    name: str
    query: str
    lasting: str
    severity: str
    summary: str
    remedy: str

    def rule(self) -> dict[str, Any]:
        """Give it as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.query,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.remedy},
        }


ALERTS: Final = (
    Alert(
        "TierwiseRouterAbsent",
        "absent(tierwise_router_table_info)",
        "5m", "critical",
        "No router answers a scrape",
        "Nobody routes requests, or nobody scrapes: see the router's pods and the ServiceMonitor.",
    ),
    Alert(
        "TierwiseNoRoutes",
        "max(tierwise_router_table_specialists) == 0",
        "5m", "critical",
        "The route table is empty",
        "No Specialist can be read: see the router's log for problems of resources.",
    ),
    Alert(
        "TierwiseErrors",
        'sum by (specialist) (rate(tierwise_router_requests_total{status=~"5.."}[5m]))'
        " / sum by (specialist) (rate(tierwise_router_requests_total[5m])) > 0.05",
        "5m", "warning",
        "More than 5 % of the requests to {{ $labels.specialist }} fail",
        "See tierwise_router_upstream_failures_total for the kind, and the pods' logs.",
    ),
    Alert(
        "TierwiseBreakerOpen",
        'max by (specialist) (tierwise_router_breakers{state="open"}) > 0',
        "5m", "critical",
        "The breaker of {{ $labels.specialist }} stays open",
        "It kept failing and is asked no more than once in a while: see its pods.",
    ),
    Alert(
        "TierwiseEndpointsLeftOut",
        "max by (specialist) (tierwise_router_endpoints_ejected) > 0",
        "15m", "warning",
        "Endpoints of {{ $labels.specialist }} are left out",
        "tierwise_router_endpoint_ejections_total says why: unreachable, failing or slow.",
    ),
    Alert(
        "TierwiseShedding",
        "sum by (tenant, reason) (rate(tierwise_router_shed_total[5m])) > 0",
        "5m", "warning",
        "Requests of {{ $labels.tenant }} are refused: {{ $labels.reason }}",
        "More is asked than is allowed or can be served: raise the limit, or the replicas.",
    ),
    Alert(
        "TierwiseSlowFirstByte",
        "histogram_quantile(0.99, sum by (specialist, le) "
        "(rate(tierwise_router_first_byte_seconds_bucket[10m]))) > 10",
        "10m", "warning",
        "One of a hundred requests waits 10 s for {{ $labels.specialist }}",
        "Its queue is long or its model too large for its tier: see the dashboard Router.",
    ),
    Alert(
        "TierwiseEscalating",
        'sum by (from) (rate(tierwise_router_escalations_total{reason=~"below_floor|failed"}[30m]))'
        " / on (from) "
        'label_replace(sum by (specialist) (rate(tierwise_router_first_byte_seconds_count[30m])),'
        ' "from", "$1", "specialist", "(.*)") > 0.5',
        "30m", "warning",
        "Half of the answers of {{ $labels.from }} are passed over",
        "Each is paid for twice: `tierwise calibrate`, or give its field to another.",
    ),
    Alert(
        "TierwiseMiscalibrated",
        "max by (specialist) (tierwise_router_prediction_ece) > 0.15 and on (specialist) "
        "sum by (specialist) (tierwise_router_learned_outcomes) > 100",
        "1h", "warning",
        "Predictions for {{ $labels.specialist }} are wrong by more than 15 points",
        "Its outcomes have changed: look at drift, and `tierwise calibrate --propose`.",
    ),
    Alert(
        "TierwiseStreamsCollapse",
        'sum by (specialist) (rate(tierwise_router_streams_total{outcome="collapsed"}[30m]))'
        " / sum by (specialist) (rate(tierwise_router_streams_total[30m])) > 0.02",
        "30m", "warning",
        "Streams of {{ $labels.specialist }} turn doubtful after they began",
        "Raise RouterPolicy spec.streaming.earlyTokens, or lower doubtShare.",
    ),
    Alert(
        "TierwiseProviderEnds",
        "min by (specialist) (tierwise_router_provider_days_left) < 14",
        "1h", "warning",
        "The provider of {{ $labels.specialist }} ends its model in {{ $value }} days",
        "Name another model in external.model, or another Specialist in escalateTo.",
    ),
    Alert(
        "TierwiseRecordsLost",
        "sum by (reason) (increase(tierwise_router_journal_lost_records_total[15m])) > 0",
        "0m", "critical",
        "Records of decisions are lost: {{ $labels.reason }}",
        "The disk is full, the ledger was away for too long, or contents have no key: see "
        "docs/ledger.md.",
    ),
    Alert(
        "TierwiseLedgerBehind",
        "time() - max(tierwise_router_ledger_last_success_timestamp_seconds) > 600 "
        "and sum(tierwise_router_ledger_waiting_bytes) > 0",
        "5m", "warning",
        "The ledger has taken no records for ten minutes",
        "Answers go on; records wait in the routers' pods. See the ledger's pod.",
    ),
    Alert(
        "TierwiseBudgetsRefuse",
        'sum by (tenant) (increase(tierwise_router_budget_outcomes_total{outcome=~"refused.*"}'
        "[15m])) > 0",
        "0m", "info",
        "A budget of {{ $labels.tenant }} is spent",
        "`tierwise tenant` and docs/budgets.md say how it is raised.",
    ),
    Alert(
        "TierwiseBudgetNearlySpent",
        "max by (tenant) (tierwise_budget_spent_usd) > 0.8 * max by (tenant) "
        "(tierwise_budget_limit_usd) and max by (tenant) (tierwise_budget_limit_usd) > 0",
        "0m", "info",
        "{{ $labels.tenant }} has spent four fifths of what it may today",
        "Raise it in the Tenant's spec.budgets, or tell who sends so much.",
    ),
    Alert(
        "TierwiseTracesLost",
        'sum by (outcome) (rate(tierwise_router_trace_spans_total{outcome!="sent"}[15m])) > 0',
        "15m", "info",
        "Traces do not arrive: {{ $labels.outcome }}",
        "See the collector that TIERWISE_OTLP_ENDPOINT names.",
    ),
    Alert(
        "TierwiseOperatorLeaderless",
        "max(tierwise_operator_leader) < 1 or absent(tierwise_operator_leader)",
        "5m", "critical",
        "No operator leads",
        "Nothing is placed, scaled or healed: see the operator's pods and its Lease.",
    ),
    Alert(
        "TierwiseOperatorBehind",
        "max(tierwise_operator_queue_depth) > 100",
        "15m", "warning",
        "A hundred objects wait for the operator",
        "See tierwise_operator_reconcile_seconds for what is slow.",
    ),
    Alert(
        "TierwiseSpecialistsNotReady",
        "sum(tierwise_operator_specialists) > sum(tierwise_operator_specialists_ready)",
        "30m", "warning",
        "Specialists are not ready",
        "`kubectl get specialists -A` and `tierwise doctor` say which, and why.",
    ),
    Alert(
        "TierwiseRollbackLags",
        "max by (specialist) "
        '(tierwise_operator_rollout_waiting_seconds{reason="RoutersBehind"}) > 30',
        "0m", "critical",
        "Routers still send requests to the rejected candidate of {{ $labels.specialist }}",
        "A rollback takes a second: see which router pod does not answer, and its log.",
    ),
    Alert(
        "TierwiseRolloutWentBack",
        "sum by (outcome, reason) (increase(tierwise_operator_rollout_verdicts_total"
        '{outcome=~"RolledBack|Aborted",reason!~"Aborted|Superseded"}[30m])) > 0',
        "0m", "warning",
        "A candidate went back: {{ $labels.reason }}",
        "Users have blue again. `tierwise rollout list` says which, `explain` why.",
    ),
    Alert(
        "TierwiseRolloutWaitsForPerson",
        "max by (specialist, reason) (tierwise_operator_rollout_waiting_seconds"
        '{reason=~"Inconclusive|Paused|SafetyRegression|GateMissing|NoRoom"}) > 3600',
        "0m", "warning",
        "The rollout of {{ $labels.specialist }} waits for a person: {{ $labels.reason }}",
        "`tierwise rollout explain` says for what; then promote, abort or resume it.",
    ),
    Alert(
        "TierwiseRolloutBlind",
        "max by (specialist, reason) (tierwise_operator_rollout_waiting_seconds"
        '{reason=~"LedgerSilent|FailuresNotKept"}) > 600',
        "0m", "warning",
        "The rollout of {{ $labels.specialist }} is without the ledger",
        "Shares stay as they are and nothing is decided: see the ledger's pod.",
    ),
    Alert(
        "TierwiseModelDrifted",
        "max by (specialist) (tierwise_operator_drift_detected) == 1",
        "1h", "warning",
        "{{ $labels.specialist }} is no longer as useful as it was",
        "The condition DriftDetected has the numbers; docs/drift.md says how it is trained again.",
    ),
    Alert(
        "TierwiseGPUsIdle",
        'max by (name) (tierwise_cost_idle_share{by="tier"}) > 0.8',
        "6h", "info",
        "GPUs of {{ $labels.name }} are idle four fifths of their time",
        "`tierwise plan` shows what fits together; scaling to zero is in docs/scaling.md.",
    ),
)  # fmt: skip


def rules() -> dict[str, Any]:
    """Give the groups of a PrometheusRule."""
    return {"groups": [{"name": "tierwise", "rules": [one.rule() for one in ALERTS]}]}


def queries() -> Iterator[tuple[str, str]]:
    """Yield every query, with the name of its alert."""
    yield from ((one.name, one.query) for one in ALERTS)
