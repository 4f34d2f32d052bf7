"""Grafana dashboards: rows of panels, each with its queries; laid out here, drawn by Grafana."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["DASHBOARDS", "Board", "Panel", "dashboard", "queries"]

WIDTH: Final = 24
PER_ROW: Final = 3
HEIGHT: Final = 8
SCHEMA: Final = 39
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: a title, a unit as Grafana names it, and (legend, query) pairs."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard; ``rows`` are its sections."""

    uid: str
    title: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]


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


def dashboard(board: Board) -> dict[str, Any]:
    """Give a dashboard as Grafana imports it."""
    return {
        "uid": board.uid,
        "title": board.title,
        "tags": ["tierwise"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_source()]},
        "panels": list(_panels(board)),
    }


def queries(board: Board) -> Iterator[tuple[str, str]]:
    """Yield every query, with the title of its panel."""
    for _, panels in board.rows:
        for panel in panels:
            yield from ((panel.title, query) for _, query in panel.queries)


def _source() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}


def _panels(board: Board) -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    width = WIDTH // PER_ROW
    for title, panels in board.rows:
        number += 1
        grid = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "gridPos": grid, "panels": []}
        top += 1
        for place, panel in enumerate(panels):
            number += 1
            column, line = place % PER_ROW, place // PER_ROW
            grid = {"x": column * width, "y": top + line * HEIGHT, "w": width, "h": HEIGHT}
            yield _panel(number, panel, grid)
        top += -(-len(panels) // PER_ROW) * HEIGHT


def _panel(number: int, panel: Panel, grid: dict[str, int]) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + at),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend,
            "exemplar": panel.exemplars,
        }
        for at, (legend, query) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": targets,
    }
