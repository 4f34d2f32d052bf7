"""What was learned, for ``/metrics``: how many outcomes, and how right predictions have been."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from tierwise_core.acceptance import AcceptanceModel

__all__ = ["learned_metrics"]

SOURCES = ("feedback", "verifier", "gate")
JUDGED = {
    "brier": "Brier score of the predictions made before the answers that were judged since.",
    "ece": "Calibration error of the predictions made before the answers that were judged since.",
    "accepted": "Share of the judged answers that were accepted.",
}


def learned_metrics(model: AcceptanceModel) -> Iterator[Metric]:
    """Yield the figures of a model, by Specialist."""
    outcomes = GaugeMetricFamily(
        "tierwise_router_learned_outcomes",
        "Outcomes that predictions rest on, by where they come from.",
        labels=["specialist", "source"],
    )
    for name, said in model.figures.items():
        for source in SOURCES:
            outcomes.add_metric([name, source], said.get(source, 0))
    yield outcomes
    for figure, text in JUDGED.items():
        family = GaugeMetricFamily(
            f"tierwise_router_prediction_{figure}", text, labels=["specialist"]
        )
        for name, said in model.figures.items():
            if figure in said:
                family.add_metric([name], said[figure])
        yield family
