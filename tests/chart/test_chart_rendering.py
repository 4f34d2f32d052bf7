"""What the chart makes of its values."""

import pytest
from helmchart import (
    CHART,
    NAMESPACE,
    container_of,
    environment_of,
    helm,
    pod_of,
    rendered,
    template,
    the,
)

pytestmark = pytest.mark.apiserver


def test_helm_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", str(CHART))

    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_it_makes_what_the_readme_says_and_no_more() -> None:
    made = sorted((o["kind"], o["metadata"]["name"]) for o in rendered())

    assert made == [
        ("ClusterRole", "tierwise-edit"),
        ("ClusterRole", "tierwise-fleet-admin"),
        ("ClusterRole", "tierwise-ledger"),
        ("ClusterRole", "tierwise-operator"),
        ("ClusterRole", "tierwise-router"),
        ("ClusterRole", "tierwise-view"),
        ("ClusterRoleBinding", "tierwise-ledger"),
        ("ClusterRoleBinding", "tierwise-operator"),
        ("ClusterRoleBinding", "tierwise-router"),
        ("Deployment", "tierwise-ledger"),
        ("Deployment", "tierwise-operator"),
        ("Deployment", "tierwise-router"),
        ("NetworkPolicy", "tierwise-ledger"),
        ("NetworkPolicy", "tierwise-operator"),
        ("NetworkPolicy", "tierwise-router"),
        ("PersistentVolumeClaim", "tierwise-ledger"),
        ("Pod", "tierwise-test"),
        ("PodDisruptionBudget", "tierwise-router"),
        ("Role", "tierwise-operator-leader"),
        ("RoleBinding", "tierwise-operator-leader"),
        ("Secret", "tierwise-ledger"),
        ("Service", "tierwise-ledger"),
        ("Service", "tierwise-router"),
        ("ServiceAccount", "tierwise-ledger"),
        ("ServiceAccount", "tierwise-operator"),
        ("ServiceAccount", "tierwise-router"),
        ("ValidatingAdmissionPolicy", "tierwise-router-writes-wake-only"),
        ("ValidatingAdmissionPolicyBinding", "tierwise-router-writes-wake-only"),
    ]


def test_two_renderings_with_a_token_of_ones_own_are_equal_so_that_gitops_sees_no_drift() -> None:
    values = {"ledger": {"token": {"existingSecret": "ours"}}}

    assert rendered(values) == rendered(values)
    assert "Secret" not in {made["kind"] for made in rendered(values)}


def test_without_one_only_the_ledgers_secret_is_made_anew() -> None:
    first, second = rendered(), rendered()

    changed = [one for one, other in zip(first, second, strict=True) if one != other]

    assert [(made["kind"], made["metadata"]["name"]) for made in changed] == [
        ("Secret", "tierwise-ledger")
    ]


def test_every_object_carries_the_labels_people_select_by() -> None:
    for made in rendered({"commonLabels": {"team": "platform"}}):
        labels = made["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "tierwise"
        assert labels["app.kubernetes.io/instance"] == "tierwise"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["team"] == "platform"


@pytest.mark.parametrize("name", ["tierwise-operator", "tierwise-router"])
def test_a_pod_has_no_label_that_would_restart_it_with_every_chart_version(name: str) -> None:
    template = the(rendered(), "Deployment", name)["spec"]["template"]

    assert "helm.sh/chart" not in template["metadata"]["labels"]
    assert "app.kubernetes.io/version" not in template["metadata"]["labels"]


@pytest.mark.parametrize("name", ["tierwise-operator", "tierwise-router"])
def test_a_pod_may_do_nothing_but_compute(name: str) -> None:
    pod, container = pod_of(rendered(), name), container_of(rendered(), name)

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize("name", ["tierwise-operator", "tierwise-router"])
def test_an_upgrade_never_takes_a_pod_before_another_is_ready(name: str) -> None:
    strategy = the(rendered(), "Deployment", name)["spec"]["strategy"]

    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_model_roots_are_mounted_read_only_at_their_own_path() -> None:
    objects = rendered({"operator": {"modelRoots": ["/models", "/srv/more"]}})
    mounts = container_of(objects, "tierwise-operator")["volumeMounts"]
    volumes = {v["name"]: v for v in pod_of(objects, "tierwise-operator")["volumes"]}

    found = {m["mountPath"]: m for m in mounts if m["name"].startswith("models-")}
    assert set(found) == {"/models", "/srv/more"}
    for path, mount in found.items():
        assert mount["readOnly"] is True
        assert volumes[mount["name"]]["hostPath"]["path"] == path


def test_the_grace_period_covers_the_whole_drain() -> None:
    pod = pod_of(rendered(), "tierwise-router")
    environment = environment_of(rendered(), "tierwise-router")

    drained = int(environment["TIERWISE_WITHDRAW_S"]) + int(environment["TIERWISE_DRAIN_S"])
    assert pod["terminationGracePeriodSeconds"] > drained


def test_ray_gets_a_token_of_its_own_unless_a_secret_is_named() -> None:
    named = {"router": {"rayToken": {"existingSecret": "ray", "key": "t"}}}

    assert "RAY_AUTH_TOKEN" not in environment_of(rendered(), "tierwise-router")
    assert environment_of(rendered(), "tierwise-router")["RAY_AUTH_MODE"] == "token"
    token = environment_of(rendered(named), "tierwise-router")["RAY_AUTH_TOKEN"]
    assert token == {"secretKeyRef": {"name": "ray", "key": "t"}}


def test_secrets_of_external_specialists_lie_where_the_router_looks() -> None:
    objects = rendered({"router": {"externalSecrets": ["frontier-key"]}})
    mounts = container_of(objects, "tierwise-router")["volumeMounts"]

    assert {
        "name": "external-0",
        "mountPath": "/var/run/tierwise/secrets/frontier-key",
        "readOnly": True,
    } in mounts


def test_a_large_body_limit_is_written_as_a_whole_number() -> None:
    environment = environment_of(
        rendered({"router": {"maxBodyBytes": 52428800}}), "tierwise-router"
    )

    assert environment["TIERWISE_MAX_BODY_BYTES"] == "52428800"


def test_a_digest_wins_over_a_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    image = {"repository": "example.com/op", "tag": "1", "digest": digest}

    objects = rendered({"operator": {"image": image}})

    assert container_of(objects, "tierwise-operator")["image"] == f"example.com/op@{digest}"


def test_one_router_replica_needs_no_disruption_budget() -> None:
    kinds = {o["kind"] for o in rendered({"router": {"replicas": 1}})}

    assert "PodDisruptionBudget" not in kinds


def test_only_the_routers_own_port_is_open() -> None:
    objects = rendered()

    router = the(objects, "NetworkPolicy", "tierwise-router")["spec"]
    operator = the(objects, "NetworkPolicy", "tierwise-operator")["spec"]
    assert router["ingress"] == [{"ports": [{"port": "http"}]}]
    assert operator["ingress"] == []
    ports = {
        p["name"]: p["containerPort"] for p in container_of(objects, "tierwise-router")["ports"]
    }
    assert ports["http"] == 8080


def test_network_policies_can_be_left_out_or_narrowed() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"team": "a"}}}

    off = rendered({"networkPolicy": {"enabled": False}})
    narrow = rendered({"networkPolicy": {"routerFrom": [peer], "metricsFrom": [peer]}})

    assert "NetworkPolicy" not in {o["kind"] for o in off}
    asks = the(narrow, "NetworkPolicy", "tierwise-router")["spec"]["ingress"][0]["from"]
    assert asks[0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "operator"
    assert asks[1:] == [peer]
    assert the(narrow, "NetworkPolicy", "tierwise-operator")["spec"]["ingress"][0]["from"] == [peer]


def test_service_monitors_scrape_both_programs() -> None:
    objects = rendered({"serviceMonitor": {"enabled": True, "labels": {"release": "prom"}}})

    for name, port in (("tierwise-router", "http"), ("tierwise-operator", "metrics")):
        monitor = the(objects, "ServiceMonitor", name)
        service = the(objects, "Service", name)
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert monitor["metadata"]["labels"]["release"] == "prom"
        assert monitor["spec"]["endpoints"][0]["port"] == port
        assert port in {p["name"] for p in service["spec"]["ports"]}
        assert wanted.items() <= service["metadata"]["labels"].items()


def test_the_notes_begin_with_the_first_commands() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()

    for command in ("tierwise doctor", "tierwise ask", "kubectl get gputiers", "crds/"):
        assert command in notes


def test_the_namespace_is_the_releases() -> None:
    of_the_cluster = ("ClusterRole", "ValidatingAdmissionPolicy")
    namespaced = [o for o in rendered() if not o["kind"].startswith(of_the_cluster)]

    assert {o["metadata"]["namespace"] for o in namespaced} == {NAMESPACE}


def test_the_operator_s_own_image_fetches_unless_another_is_given() -> None:
    arguments = container_of(rendered(), "tierwise-operator")["args"]
    own = container_of(rendered(), "tierwise-operator")["image"]
    assert f"--weights-image={own}" in arguments
    assert "--weights-cache=None" in arguments

    values = {"weights": {"image": {"repository": "mirror/operator", "tag": "9"}}}
    made = container_of(rendered(values), "tierwise-operator")
    assert "--weights-image=mirror/operator:9" in made["args"]


def test_a_cache_on_the_nodes_reaches_the_operator() -> None:
    cache = {"kind": "Node", "path": "/srv/weights", "maxBytes": "500Gi"}
    weights = {"cache": cache, "objectStoreEndpoint": "http://minio:9000"}
    made = container_of(rendered({"weights": weights}), "tierwise-operator")
    assert made["args"][-5:] == [
        "--weights-cache=Node",
        "--weights-cache-path=/srv/weights",
        "--weights-run-as-user=0",
        "--weights-cache-max-bytes=500Gi",
        "--s3-endpoint=http://minio:9000",
    ]


def test_a_cache_in_a_claim_needs_its_name() -> None:
    done = template({"weights": {"cache": {"kind": "Claim"}}})
    assert done.returncode != 0
    assert "weights.cache.claim is empty" in done.stderr


def secret_rules(values: dict[str, object]) -> list[dict[str, object]]:
    role = the(rendered({"weights": values}), "ClusterRole", "tierwise-operator")
    return [rule for rule in role["rules"] if "secrets" in rule["resources"]]


def test_the_operator_reads_no_secrets_but_those_it_is_given() -> None:
    assert secret_rules({}) == []
    assert secret_rules({"secrets": ["model-store"]}) == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["model-store"],
            "verbs": ["get"],
        }
    ]
    assert secret_rules({"secrets": ["*"]}) == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    ]
