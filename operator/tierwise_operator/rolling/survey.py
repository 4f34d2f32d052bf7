"""What Prometheus is told of the rollouts, from their statuses."""

from collections import Counter as Tally
from collections.abc import Collection, Mapping

from tierwise_core.rollout.order import Order
from tierwise_operator.metrics import Metrics


def survey(
    metrics: Metrics, orders: Collection[Order], waits: Mapping[str, tuple[str, float]], now: float
) -> None:
    """Set the gauges; ``waits`` is, by Rollout, what it waits for and since when."""
    for gauge in (metrics.rollouts, metrics.green_percent, metrics.utility, metrics.waiting):
        gauge.clear()
    for stage, count in Tally(order.stage.value for order in orders).items():
        metrics.rollouts.labels(stage).set(count)
    for order in orders:
        if order.standing is not None and not order.ended:
            _one(metrics, order)
            word, since = waits.get(order.key, ("", now))
            if word:
                metrics.waiting.labels(order.specialist_key, word).set(max(0.0, now - since))


def _one(metrics: Metrics, order: Order) -> None:
    share = (order.status.get("weights") or {}).get("green") or 0
    metrics.green_percent.labels(order.specialist_key).set(share)
    for side, told in (order.status.get("windows") or {}).items():
        if (utility := told.get("utility")) is not None:
            metrics.utility.labels(order.specialist_key, side).set(utility)
