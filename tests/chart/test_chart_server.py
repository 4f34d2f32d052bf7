"""A real API server takes the chart, and its roles allow what is needed and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from helmchart import NAMESPACE, rendered

pytestmark = pytest.mark.apiserver

OPERATOR = f"system:serviceaccount:{NAMESPACE}:tierwise-operator"
ROUTER = f"system:serviceaccount:{NAMESPACE}:tierwise-router"

MANY_VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one namespace": {"operator": {"namespaces": ["team-a"]}, "router": {"namespace": "team-a"}},
    "models on the nodes": {"operator": {"modelRoots": ["/models"], "replicas": 2}},
    "a load balancer": {
        "router": {
            "service": {"type": "LoadBalancer", "nodePort": 30080, "annotations": {"a": "b"}}
        }
    },
    "a hub mirror with a token": {
        "operator": {
            "huggingFace": {
                "endpoint": "https://hub.example.com",
                "tokenSecret": {"name": "hub", "key": "token"},
            }
        }
    },
    "accounts and roles from elsewhere": {
        "rbac": {"create": False},
        "operator": {"serviceAccount": {"create": False, "name": "mine"}},
        "router": {"serviceAccount": {"create": False, "name": "mine"}},
    },
    "everything about pods": {
        "imagePullSecrets": [{"name": "registry"}],
        "commonLabels": {"team": "platform"},
        "router": {
            "podLabels": {"a": "b"},
            "podAnnotations": {"c": "d"},
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "x", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "priorityClassName": "high",
            "env": [{"name": "A", "value": "b"}],
            "externalSecrets": ["key"],
            "rayToken": {"existingSecret": "ray"},
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ],
        },
    },
    "closed to all but friends": {
        "networkPolicy": {
            "routerFrom": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}],
            "metricsFrom": [{"podSelector": {}}],
        }
    },
}


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> ApiServer:
    """The API server with the namespaces the chart goes into, strict about their pods."""
    for name in (NAMESPACE, "team-a"):
        labels = {"pod-security.kubernetes.io/warn": "restricted"}
        metadata = {"name": name, "labels": labels}
        apply(api_server, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        account = {"name": "default", "namespace": name}
        apply(api_server, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    return api_server


@pytest.fixture(scope="module")
def installed(server: ApiServer) -> Iterator[ApiServer]:
    """The API server with the chart's roles really there."""
    roles = [o for o in rendered() if "Role" in o["kind"] or o["kind"] == "ServiceAccount"]
    apply(server, *roles)
    yield server
    server.kubectl("delete", "-f", "-", stdin=yaml.safe_dump_all(roles))


@pytest.mark.parametrize("values", MANY_VALUES.values(), ids=MANY_VALUES.keys())
def test_a_server_side_dry_run_takes_every_object(
    server: ApiServer, values: dict[str, Any]
) -> None:
    objects = yaml.safe_dump_all(rendered(values))

    done = server.try_kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=objects
    )

    assert done.returncode == 0, done.stderr


def test_the_pods_meet_the_restricted_security_level(server: ApiServer) -> None:
    pods = [o for o in rendered() if o["kind"] in {"Deployment", "Pod"}]

    assert warnings(server, pods) == ""


def test_hostpath_models_are_what_the_restricted_level_warns_of(server: ApiServer) -> None:
    objects = rendered({"operator": {"modelRoots": ["/models"]}})

    warned = warnings(server, [o for o in objects if o["kind"] == "Deployment"])

    assert "hostPath" in warned


ALLOWED = [
    (OPERATOR, "patch", "specialists.tierwise.dev/status", "team-a"),
    (OPERATOR, "patch", "gputiers.tierwise.dev/status", ""),
    (OPERATOR, "update", "specialists.tierwise.dev/finalizers", "team-a"),
    (OPERATOR, "watch", "nodes", ""),
    (OPERATOR, "list", "pods", "team-a"),
    (OPERATOR, "create", "deployments.apps", "team-a"),
    (OPERATOR, "get", "configmaps", "team-a"),  # held-out questions, by name
    (OPERATOR, "delete", "services", "team-a"),
    (OPERATOR, "create", "events.events.k8s.io", "team-a"),
    (OPERATOR, "create", "leases.coordination.k8s.io", NAMESPACE),
    (OPERATOR, "patch", "leases.coordination.k8s.io/tierwise-operator", NAMESPACE),
    (ROUTER, "watch", "specialists.tierwise.dev", "team-a"),
    (ROUTER, "list", "gputiers.tierwise.dev", ""),
    (ROUTER, "watch", "fieldprofiles.tierwise.dev", ""),
    (ROUTER, "watch", "rollouts.tierwise.dev", ""),
    # Of the status it may write one part alone: tests/scaling/test_wake_on_apiserver.py.
    (ROUTER, "patch", "specialists.tierwise.dev/status", "team-a"),
]

FORBIDDEN = [
    (OPERATOR, "get", "secrets", "team-a"),
    (OPERATOR, "list", "configmaps", "team-a"),
    (OPERATOR, "patch", "specialists.tierwise.dev", "team-a"),
    (OPERATOR, "delete", "specialists.tierwise.dev", "team-a"),
    (OPERATOR, "patch", "gputiers.tierwise.dev", ""),
    (OPERATOR, "delete", "pods", "team-a"),
    (OPERATOR, "patch", "nodes", ""),
    (OPERATOR, "patch", "leases.coordination.k8s.io/another", NAMESPACE),
    (OPERATOR, "create", "leases.coordination.k8s.io", "team-a"),
    (OPERATOR, "create", "customresourcedefinitions.apiextensions.k8s.io", ""),
    (OPERATOR, "create", "clusterroles.rbac.authorization.k8s.io", ""),
    (ROUTER, "patch", "specialists.tierwise.dev", "team-a"),
    (ROUTER, "update", "specialists.tierwise.dev/status", "team-a"),
    (ROUTER, "patch", "gputiers.tierwise.dev/status", ""),
    (ROUTER, "get", "pods", "team-a"),
    (ROUTER, "get", "secrets", NAMESPACE),
    (ROUTER, "get", "nodes", ""),
]


@pytest.mark.parametrize(("who", "verb", "what", "where"), ALLOWED)
def test_a_role_allows_what_the_program_does(
    installed: ApiServer, who: str, verb: str, what: str, where: str
) -> None:
    assert can(installed, who, verb, what, where)


@pytest.mark.parametrize(("who", "verb", "what", "where"), FORBIDDEN)
def test_a_role_allows_nothing_else(
    installed: ApiServer, who: str, verb: str, what: str, where: str
) -> None:
    assert not can(installed, who, verb, what, where)


def test_no_role_has_a_wildcard_or_reads_secrets() -> None:
    for role in [o for o in rendered() if o["kind"] in {"Role", "ClusterRole"}]:
        for rule in role["rules"]:
            named = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "*" not in named
            assert "secrets" not in rule["resources"]


def test_a_namespaced_operator_writes_in_its_namespaces_only() -> None:
    objects = rendered({"operator": {"namespaces": ["team-a", "team-b"]}})

    for role in [o for o in objects if o["kind"] == "ClusterRole"]:
        if role["metadata"]["name"] == "tierwise-operator":
            written = [r for r in role["rules"] if "delete" in r["verbs"]]
            assert written == []
    places = {
        o["metadata"]["namespace"]
        for o in objects
        if (o["kind"], o["metadata"]["name"]) == ("Role", "tierwise-operator")
    }
    assert places == {"team-a", "team-b"}


def test_the_users_roles_aggregate_by_verb() -> None:
    roles = {o["metadata"]["name"]: o for o in rendered() if o["kind"] == "ClusterRole"}

    view, edit, admin = (roles[f"tierwise-{n}"] for n in ("view", "edit", "fleet-admin"))
    assert "rbac.authorization.k8s.io/aggregate-to-view" in view["metadata"]["labels"]
    assert {v for rule in view["rules"] for v in rule["verbs"]} == {"get", "list", "watch"}
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    assert not [k for k in admin["metadata"]["labels"] if "aggregate" in k]


def apply(server: ApiServer, *objects: dict[str, Any]) -> None:
    server.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))


def warnings(server: ApiServer, objects: list[dict[str, Any]]) -> str:
    """What the API server warns of when it is given the objects."""
    text = yaml.safe_dump_all(objects)
    done = server.try_kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=text)
    assert done.returncode == 0, done.stderr
    return done.stderr


def can(server: ApiServer, who: str, verb: str, what: str, where: str) -> bool:
    """Whether the API server lets an account do it, as its authorizer says."""
    resource, _, rest = what.partition("/")
    name, _, group = resource.partition(".")
    is_lease = name == "leases"
    attributes = {
        "verb": verb,
        "group": group,
        "resource": name,
        "namespace": where,
        "name": rest if is_lease else "",
        "subresource": "" if is_lease else rest,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": who, "resourceAttributes": attributes},
    }
    told = json.loads(server.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(review)))
    return bool(told["status"]["allowed"])
