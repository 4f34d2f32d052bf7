"""What every cluster has beside its components: DNS."""

from collections.abc import Sequence
from typing import Any

from .instance import Network

_DNS_PORT = 1053
_LABELS = {"k8s-app": "kube-dns"}


def dns(network: Network, image: str) -> Sequence[dict[str, Any]]:
    """CoreDNS as a Deployment behind the cluster's DNS address."""
    return (
        _kube_system("v1", "ServiceAccount", "coredns", {}),
        _reader_role(),
        _reader_binding(),
        _kube_system("v1", "ConfigMap", "coredns", {"data": {"Corefile": _corefile()}}),
        _deployment(image),
        _service(network),
    )


def _corefile() -> str:
    """Names of the cluster only: there is no outside to forward to."""
    return f""".:{_DNS_PORT} {{
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa {{
        pods insecure
        ttl 5
    }}
    cache 5
    loadbalance
    reload
}}
"""


def _kube_system(version: str, kind: str, name: str, rest: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "kube-system", "labels": _LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _reader_role() -> dict[str, Any]:
    watched = ["list", "watch"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "system:coredns", "labels": _LABELS},
        "rules": [
            {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": watched},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": watched},
        ],
    }


def _reader_binding() -> dict[str, Any]:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "system:coredns", "labels": _LABELS},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "system:coredns"},
        "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
    }


def _deployment(image: str) -> dict[str, Any]:
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        # A GPU fleet taints its nodes; DNS has no other ones here.
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "affinity": {"nodeAffinity": _not_on_fake_nodes()},
        "containers": [_container(image)],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    return _kube_system("apps/v1", "Deployment", "coredns", {"spec": spec})


def _not_on_fake_nodes() -> dict[str, Any]:
    """A KWOK node would call the pod running and answer nothing."""
    real = {"key": "type", "operator": "NotIn", "values": ["kwok"]}
    terms = [{"matchExpressions": [real]}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _container(image: str) -> dict[str, Any]:
    return {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"name": "dns", "containerPort": _DNS_PORT, "protocol": "UDP"},
            {"name": "dns-tcp", "containerPort": _DNS_PORT, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "livenessProbe": {
            "httpGet": {"path": "/health", "port": 8080},
            "initialDelaySeconds": 30,
            "timeoutSeconds": 5,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }


def _service(network: Network) -> dict[str, Any]:
    spec = {
        "selector": _LABELS,
        "clusterIP": str(network.dns),
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": _DNS_PORT},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": _DNS_PORT},
        ],
    }
    return _kube_system("v1", "Service", "kube-dns", {"spec": spec})
