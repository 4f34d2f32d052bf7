"""What the operator tells Prometheus."""

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from tierwise_core.conditions import TRUE, read_conditions
from tierwise_core.fleet import GPUTier
from tierwise_core.specialist import Specialist

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All series, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.passes = self._counter(
            "reconcile_total", "Passes by kind and outcome", "kind", "outcome"
        )
        self.duration = Histogram(
            "tierwise_operator_reconcile_seconds",
            "Seconds one pass takes, writes included",
            ["kind"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.writes = self._counter(
            "writes_total", "Writes to the API server by kind and verb", "kind", "verb"
        )
        self.queue_depth = self._gauge("queue_depth", "Objects that wait for a pass")
        self.leader = self._gauge("leader", "1 while this process holds the lease")
        self.specialists = self._gauge("specialists", "Specialists by phase", "phase")
        self.ready = self._gauge("specialists_ready", "Specialists whose Ready condition is True")
        self.tier_gpus = self._gauge("tier_gpus", "GPUs of a tier", "tier", "state")
        self.tier_cost = self._gauge("tier_usd_per_hour", "USD per hour of all its GPUs", "tier")
        self.wanted = self._gauge(
            "scaling_desired_replicas", "Replicas the load asks for", "specialist"
        )
        self.in_flight = self._gauge(
            "scaling_requests", "Requests in flight and held at routers", "specialist"
        )
        self.scalings = self._counter(
            "scaling_changes_total", "Changes of the replicas asked for", "specialist", "direction"
        )
        self.looks = self._counter("load_looks_total", "Looks at the load of a Specialist")
        self.scrapes = self._counter(
            "engine_scrapes_total", "Engine pods asked for their metrics, by outcome", "outcome"
        )

        self.rollouts = self._gauge("rollouts", "Rollouts by stage", "stage")
        self.green_percent = self._gauge(
            "rollout_green_percent",
            "The candidate's share of the traffic, in percent",
            "specialist",
        )
        self.utility = self._gauge(
            "rollout_utility", "Mean utility of a rollout's sides, 0 to 1", "specialist", "side"
        )
        self.verdicts = self._counter(
            "rollout_verdicts_total", "Rollouts by how they ended", "outcome", "reason"
        )
        self.waiting = self._gauge(
            "rollout_waiting_seconds",
            "Seconds since a rollout under way was first seen to wait for this",
            "specialist",
            "reason",
        )

        self.drift = self._gauge(
            "drift_utility_change",
            "Mean utility of late less what it was when the model began to serve",
            "specialist",
        )
        self.drifted = self._gauge(
            "drift_detected", "1 while DriftDetected is True, else 0", "specialist"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"tierwise_operator_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"tierwise_operator_{name}", text, labels, registry=self.registry)

    def survey(self, specialists: Iterable[Specialist], tiers: Iterable[GPUTier]) -> None:
        """Set the gauges that describe the cluster, from the statuses last published."""
        phases: Tally[str] = Tally()
        ready = 0
        self.drift.clear()
        self.drifted.clear()
        for specialist in specialists:
            self._survey_drift(specialist)
            phases[str(specialist.status.get("phase") or "Pending")] += 1
            condition = read_conditions(specialist.status).get("Ready")
            ready += condition is not None and condition.status == TRUE
        self.specialists.clear()
        for phase, count in phases.items():
            self.specialists.labels(phase).set(count)
        self.ready.set(ready)
        self._survey_tiers(tiers)

    def _survey_drift(self, specialist: Specialist) -> None:
        known = specialist.status.get("drift") or {}
        if known.get("utility") is None or known.get("baseUtility") is None:
            return
        change = float(known["utility"]) - float(known["baseUtility"])
        self.drift.labels(specialist.key).set(change)
        condition = read_conditions(specialist.status).get("DriftDetected")
        found = condition is not None and condition.status == TRUE
        self.drifted.labels(specialist.key).set(found)

    def _survey_tiers(self, tiers: Iterable[GPUTier]) -> None:
        self.tier_gpus.clear()
        self.tier_cost.clear()
        for tier in tiers:
            for state, count in (tier.status.get("gpus") or {}).items():
                self.tier_gpus.labels(tier.name, state).set(count)
            self.tier_cost.labels(tier.name).set(tier.status.get("usdPerHour") or 0.0)
