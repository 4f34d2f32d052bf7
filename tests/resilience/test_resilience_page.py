"""docs/resilience.md and the example of tenants say what is so."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml

from tierwise_api.policy_resilience import ResilienceSpec
from tierwise_core.policy_resilience import ResiliencePolicy
from tierwise_core.route_table import RouteTable
from tierwise_router.pressure import Pressure
from tierwise_router.table import build_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/resilience.md").read_text()


def blocks() -> list[dict[str, Any]]:
    found = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return [document for block in found for document in yaml.safe_load_all(block)]


def table_of(documents: list[dict[str, Any]]) -> RouteTable:
    table, problems = build_table(documents)
    assert not problems
    return table


def test_the_page_s_resources_are_taken_as_they_are() -> None:
    table = table_of(blocks())

    (tenant,) = table.tenants.values()
    assert (tenant.weight, tenant.priority, tenant.limits.max_queued) == (2, 10, 64)
    times = table.policy.resilience.timeouts_for("demo/sorter", "batch")
    assert (times.connect_s, times.first_byte_s, times.whole_s) == (0.5, 1800, 14400)


def test_the_example_s_tenants_have_the_keys_it_tells() -> None:
    text = (ROOT / "examples/tenants/teams.yaml").read_text()
    table = table_of(list(yaml.safe_load_all(text)))

    told = re.findall(r"the key is: (\S+)\n\s+sha256: (\S+)", text)
    assert len(told) == 2
    for key, digest in told:
        assert hashlib.sha256(key.encode()).hexdigest() == digest
        assert any(digest in tenant.key_hashes for tenant in table.tenants.values())


def test_defaults_are_said_once_and_the_same() -> None:
    assert ResilienceSpec().to_core() == ResiliencePolicy()
    for name, value in (
        ("maxInFlight", "8192"),
        ("maxInFlightPerEndpoint", "2048"),
        ("maxQueued", "2048"),
        ("maxWait", "30s"),
        ("failureShare", "0.5"),
        ("minimumRequests", "20"),
        ("window", "30s"),
        ("maxAttempts", "3"),
        ("budgetShare", "0.2"),
        ("floorPerSecond", "1"),
        ("burst", "10"),
        ("consecutiveFailures", "5"),
        ("latencyFactor", "3"),
        ("maxEjectedShare", "0.5"),
        ("connect", "3s"),
        ("firstByte", "5m"),
        ("idle", "5m"),
        ("whole", "1h"),
    ):
        assert f"| `{name}` | {value} |" in PAGE, name


def test_every_metric_is_on_the_page() -> None:
    names = {metric.name.removeprefix("tierwise_router_") for metric in Pressure().metrics()}

    assert {name for name in names if name not in PAGE} == set()
