"""The Job and the engine pods that fetch, before a real API server and under the chart's roles."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from helmchart import NAMESPACE, rendered
from observed import a_specialist, a_tier
from observed import rendered as deployment_of

from tierwise_core.claim_job import ClaimDirectory, claim_job
from tierwise_core.delivery import Delivery
from tierwise_core.engine import Layout

pytestmark = pytest.mark.apiserver

WHERE = ClaimDirectory("default", "models", "llama")
CACHES = (
    Delivery(image="operator:1"),
    Delivery(image="operator:1", cache="Node", cache_path="/var/lib/w", run_as_user=0),
    Delivery(image="operator:1", cache="Claim", cache_claim="weights", cache_max_bytes=10**12),
)


def applied(server: ApiServer, body: dict[str, Any], *options: str) -> dict[str, Any]:
    arguments = ("apply", "--server-side", "--validate=strict", "-o", "json", *options, "-f", "-")
    found: dict[str, Any] = json.loads(server.kubectl(*arguments, stdin=json.dumps(body)))
    return found


def test_the_api_server_takes_the_job_as_it_is(api_server: ApiServer) -> None:
    body = claim_job(WHERE, "operator:1", "IfNotPresent")
    made = applied(api_server, body, "--dry-run=server")
    assert (
        made["spec"]["template"]["spec"]["volumes"] == body["spec"]["template"]["spec"]["volumes"]
    )


@pytest.mark.parametrize("delivery", CACHES, ids=lambda delivery: delivery.cache)
@pytest.mark.parametrize("source", ["s3://models/llama", "oci://reg.example/acme/llama:v1"])
def test_the_api_server_takes_pods_that_fetch(
    api_server: ApiServer, delivery: Delivery, source: str
) -> None:
    layout = Layout(a_tier(), 1, delivery=delivery)
    body = dict(deployment_of(a_specialist(source=source), layout).manifest)
    metadata = {**body["metadata"], "namespace": "default", "ownerReferences": []}
    made = applied(api_server, {**body, "metadata": metadata}, "--dry-run=server")
    (container,) = made["spec"]["template"]["spec"]["initContainers"]
    wanted = body["spec"]["template"]["spec"]["initContainers"][0]
    assert container["args"] == wanted["args"]
    assert container.get("restartPolicy") == wanted.get("restartPolicy")


def can(server: ApiServer, verb: str, what: str, *more: str) -> bool:
    account = f"system:serviceaccount:{NAMESPACE}:tierwise-operator"
    done = server.try_kubectl("auth", "can-i", verb, what, f"--as={account}", "-n", "team", *more)
    return done.stdout.strip() == "yes"


def test_the_operator_may_run_the_job_and_read_the_secrets_it_was_given(
    api_server: ApiServer,
) -> None:
    roles = [o for o in rendered({"weights": {"secrets": ["store"]}}) if "Role" in o["kind"]]
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (NAMESPACE, "team")
    ]
    text = yaml.safe_dump_all([*namespaces, *roles])
    api_server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    assert all(can(api_server, verb, "jobs.batch") for verb in ("create", "patch", "delete"))
    assert can(api_server, "get", "secrets/store")
    assert not can(api_server, "get", "secrets/other")
    assert not can(api_server, "list", "secrets")
