"""The chart makes rules, dashboards and the settings of traces for who asks for them."""

from __future__ import annotations

import json

import pytest
import yaml
from helmchart import CHART, environment_of, refusal, rendered, the

from observability.alerts import ALERTS, rules
from observability.dashboards import DASHBOARDS

pytestmark = pytest.mark.apiserver


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    kinds = {(one["kind"], one["metadata"]["name"]) for one in rendered()}

    assert not [kind for kind, _ in kinds if kind in {"PrometheusRule", "ServiceMonitor"}]
    assert not [name for _, name in kinds if name.endswith("-dashboard")]
    assert not [one for one in environment_of(rendered(), "tierwise-router") if "OTLP" in one]


def test_the_rule_holds_every_alert_with_its_templates_as_they_are() -> None:
    objects = rendered({"prometheusRule": {"enabled": True, "labels": {"release": "prom"}}})

    rule = the(objects, "PrometheusRule", "tierwise")

    assert rule["metadata"]["labels"]["release"] == "prom"
    assert rule["spec"] == rules()
    assert any("{{ $labels.specialist }}" in one.summary for one in ALERTS)


def test_each_dashboard_is_a_config_map_for_grafana_s_sidecar() -> None:
    objects = rendered({"dashboards": {"enabled": True}})

    for board in DASHBOARDS:
        made = the(objects, "ConfigMap", f"{board.uid}-dashboard")
        assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(made["data"][f"{board.uid}.json"])["uid"] == board.uid
        on_disk = (CHART / f"files/dashboards/{board.uid}.json").read_text()
        assert json.loads(on_disk)["title"] == board.title


def test_traces_go_where_the_values_say() -> None:
    tracing = {"endpoint": "http://collector:4318", "share": 0.1}
    environment = environment_of(rendered({"router": {"tracing": tracing}}), "tierwise-router")

    assert environment["TIERWISE_OTLP_ENDPOINT"] == "http://collector:4318"
    assert float(environment["TIERWISE_TRACE_SHARE"]) == 0.1


@pytest.mark.parametrize("tracing", [{"share": 2}, {"endpoint": "collector:4318"}])
def test_values_that_cannot_be_are_refused(tracing: dict[str, object]) -> None:
    assert "tracing" in refusal({"router": {"tracing": tracing}})


def test_the_ledger_is_scraped_with_its_token() -> None:
    objects = rendered({"serviceMonitor": {"enabled": True}, "ledger": {"enabled": True}})

    own, endpoint = the(objects, "ServiceMonitor", "tierwise-ledger")["spec"]["endpoints"]
    assert own["path"] == "/metrics"
    assert own["authorization"] == endpoint["authorization"]

    assert endpoint["path"] == "/metrics/cost"
    secret = endpoint["authorization"]["credentials"]
    assert yaml.safe_dump(secret) == "key: token\nname: tierwise-ledger\n"
