"""Grafana dashboards: rows of panels, each with its queries; :mod:`.grafana` lays them out."""

from __future__ import annotations

from typing import Final

from observability.grafana import Board, Panel

__all__ = ["DASHBOARDS"]


def rate(metric: str, by: str, extra: str = "") -> str:
    """Write the rate of a counter, summed.

    >>> rate("tierwise_router_shed_total", "tenant")
    'sum by (tenant) (rate(tierwise_router_shed_total[$__rate_interval]))'
    """
    return f"sum by ({by}) (rate({metric}{extra}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str) -> str:
    """Write a quantile of a histogram.

    >>> quantile(0.5, "tierwise_router_hold_seconds", "specialist")
    'histogram_quantile(0.5, sum by (specialist, le) \
(rate(tierwise_router_hold_seconds_bucket[$__rate_interval])))'
    """
    inner = f"rate({metric}_bucket[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({by}, le) ({inner}))"


R: Final = "tierwise_router"
O: Final = "tierwise_operator"  # noqa: E741 - beside R
BY: Final = "specialist"

ROUTER: Final = Board(
    "tierwise-router",
    "tierwise / Router",
    (
        (
            "Requests",
            (
                Panel("Requests by Specialist", "reqps",
                      (("{{specialist}}", rate(f"{R}_requests_total", BY)),)),
                Panel("Requests by status", "reqps",
                      (("{{status}}", rate(f"{R}_requests_total", "status")),)),
                Panel("In progress", "short",
                      (("in progress", f"sum({R}_requests_in_flight)"),
                       ("wait for a wake", f"sum({R}_held_requests)"),
                       ("queued: {{latency_class}}",
                        f"sum by (latency_class) ({R}_queued_requests)"))),
            ),
        ),
        (
            "Time",
            (
                Panel("First byte, p50 and p99", "s",
                      (("p50 {{specialist}}", quantile(0.5, f"{R}_first_byte_seconds", BY)),
                       ("p99 {{specialist}}", quantile(0.99, f"{R}_first_byte_seconds", BY)))),
                Panel("Whole answer, p50 and p99", "s",
                      (("p50 {{specialist}}", quantile(0.5, f"{R}_request_duration_seconds", BY)),
                       ("p99 {{specialist}}", quantile(0.99, f"{R}_request_duration_seconds", BY))),
                      exemplars=True),
                Panel("Wait for a sleeping Specialist, p99", "s",
                      (("{{specialist}}", quantile(0.99, f"{R}_hold_seconds", BY)),)),
            ),
        ),
        (
            "Deciding",
            (
                Panel("Escalations", "reqps",
                      (("{{from}} to {{to}}", rate(f"{R}_escalations_total", "from, to")),)),
                Panel("Accepted of the judged", "percentunit",
                      (("{{specialist}}", f"max by (specialist) ({R}_prediction_accepted)"),)),
                Panel("Calibration error of predictions", "percentunit",
                      (("{{specialist}}", f"max by (specialist) ({R}_prediction_ece)"),)),
                Panel("Streams of cascades", "reqps",
                      (("{{outcome}}", rate(f"{R}_streams_total", "outcome")),)),
                Panel("Shadows", "reqps",
                      (("{{shadow}} {{outcome}}",
                        rate(f"{R}_shadow_comparisons_total", "shadow, outcome")),)),
                Panel("Cost", "currencyUSD",
                      (("{{specialist}} per hour",
                        f"3600 * {rate(f'{R}_cost_usd_total', BY)}"),)),
            ),
        ),
        (
            "Failing",
            (
                Panel("Failed attempts", "reqps",
                      (("{{specialist}} {{kind}}",
                        rate(f"{R}_upstream_failures_total", "specialist, kind")),)),
                Panel("Open breakers, endpoints left out", "short",
                      (("breaker {{specialist}}",
                        f'sum by (specialist) ({R}_breakers{{state="open"}})'),
                       ("left out {{specialist}}",
                        f"max by (specialist) ({R}_endpoints_ejected)"))),
                Panel("Retries and hedges", "reqps",
                      (("retries", f"sum(rate({R}_retries_total[$__rate_interval]))"),
                       ("not paid for", f"sum(rate({R}_retries_denied_total[$__rate_interval]))"),
                       ("hedges {{outcome}}", rate(f"{R}_hedges_total", "outcome")))),
                Panel("Refused for load", "reqps",
                      (("{{tenant}} {{reason}}", rate(f"{R}_shed_total", "tenant, reason")),)),
                Panel("Refused by budgets, providers' limits", "reqps",
                      (("{{tenant}} {{outcome}}",
                        rate(f"{R}_budget_outcomes_total", "tenant, outcome")),
                       ("{{specialist}} {{outcome}}",
                        rate(f"{R}_provider_limits_total", "specialist, outcome")))),
                Panel("Records that wait for the ledger", "bytes",
                      (("waiting", f"sum({R}_ledger_waiting_bytes)"),)),
            ),
        ),
    ),
)  # fmt: skip

FLEET: Final = Board(
    "tierwise-fleet",
    "tierwise / Fleet",
    (
        (
            "GPUs",
            (
                Panel("GPUs by tier", "short",
                      (("{{tier}} {{state}}", f"sum by (tier, state) ({O}_tier_gpus)"),)),
                Panel("USD per hour", "currencyUSD",
                      (("{{tier}}", f"max by (tier) ({O}_tier_usd_per_hour)"),)),
                Panel("Idle share", "percentunit",
                      (("{{name}}", 'max by (name) (tierwise_cost_idle_share{by="tier"})'),)),
            ),
        ),
        (
            "Specialists",
            (
                Panel("By phase", "short", (("{{phase}}", f"sum by (phase) ({O}_specialists)"),)),
                Panel("Replicas that the load asks for", "short",
                      (("{{specialist}}", f"max by (specialist) ({O}_scaling_desired_replicas)"),)),
                Panel("Requests in flight and held", "short",
                      (("{{specialist}}", f"max by (specialist) ({O}_scaling_requests)"),)),
            ),
        ),
        (
            "Rollouts",
            (
                Panel("The candidate's share", "percent",
                      (("{{specialist}}",
                        f"max by (specialist) ({O}_rollout_green_percent)"),)),
                Panel("Requests by side", "reqps",
                      (("{{specialist}} {{side}} {{status}}",
                        rate(f"{R}_side_requests_total", "specialist, side, status")),)),
                Panel("Utility of both sides", "percentunit",
                      (("{{specialist}} {{side}}",
                        f"max by (specialist, side) ({O}_rollout_utility)"),)),
                Panel("Waiting for", "s",
                      (("{{specialist}} {{reason}}",
                        f"max by (specialist, reason) ({O}_rollout_waiting_seconds)"),)),
                Panel("By stage", "short", (("{{stage}}", f"sum by (stage) ({O}_rollouts)"),)),
                Panel("Verdicts of the last day", "short",
                      (("{{outcome}} {{reason}}",
                        ("sum by (outcome, reason) "
                         f"(increase({O}_rollout_verdicts_total[1d]))")),)),
            ),
        ),
        (
            "Operator",
            (
                Panel("Passes by outcome", "ops",
                      (("{{kind}} {{outcome}}", rate(f"{O}_reconcile_total", "kind, outcome")),)),
                Panel("Time of a pass, p99", "s",
                      (("{{kind}}", quantile(0.99, f"{O}_reconcile_seconds", "kind")),)),
                Panel("Queue and leader", "short",
                      (("queue", f"max({O}_queue_depth)"), ("leaders", f"sum({O}_leader)"))),
            ),
        ),
    ),
)  # fmt: skip

MONEY: Final = Board(
    "tierwise-cost",
    "tierwise / Cost",
    (
        (
            "The last day, idle GPUs included",
            (
                Panel("USD by accepted answer", "currencyUSD",
                      (("{{name}} ({{mark}})",
                        'tierwise_cost_usd_per_accepted{by="specialist"}'),)),
                Panel("USD", "currencyUSD",
                      (("{{name}} ({{mark}})", 'tierwise_cost_usd{by="specialist"}'),)),
                Panel("USD by a thousand tokens", "currencyUSD",
                      (("{{name}} ({{mark}})",
                        'tierwise_cost_usd_per_1k_tokens{by="specialist"}'),)),
                Panel("GPU hours", "h", (("{{name}}", 'tierwise_cost_gpu_hours{by="tier"}'),)),
                Panel("Requests by GPU hour", "short",
                      (("{{name}}", 'tierwise_cost_queries_per_gpu_hour{by="tier"}'),)),
                Panel("Revenue by watt hour", "currencyUSD",
                      (("{{name}}", 'tierwise_cost_revenue_per_watt_hour{by="tier"}'),)),
            ),
        ),
        (
            "Budgets of today",
            (
                Panel("Spent", "currencyUSD",
                      (("{{tenant}}", "max by (tenant) (tierwise_budget_spent_usd)"),)),
                Panel("Share of what may be spent", "percentunit",
                      (("{{tenant}}", ("max by (tenant) (tierwise_budget_spent_usd)"
                        " / max by (tenant) (tierwise_budget_limit_usd)")),)),
                Panel("Refused by budgets", "reqps",
                      (("{{tenant}} {{outcome}}",
                        rate(f"{R}_budget_outcomes_total", "tenant, outcome")),)),
            ),
        ),
    ),
)  # fmt: skip

DASHBOARDS: Final = (ROUTER, FLEET, MONEY)
