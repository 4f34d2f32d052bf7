"""What a plan needs of a running cluster: plain reads, nothing is written."""

from __future__ import annotations

from tierwise_api import API_VERSION
from tierwise_cli.cluster import Access, Cluster, Object, connect
from tierwise_cli.errors import AbsentError, CliError
from tierwise_cli.manifests import Manifest, Manifests, sorted_out
from tierwise_core.children import SPECIALIST

__all__ = ["read_cluster", "read_nodes"]

GROUP_PATH = f"/apis/{API_VERSION}"


def read_cluster(access: Access) -> Manifests:
    """Tiers, Specialists, nodes, pods and our Deployments of a cluster.

    Raises:
        ClusterError: it cannot be read, or does not know our resources.
    """
    with connect(access) as cluster:
        return sorted_out(
            [
                *_ours(cluster, "gputiers", "GPUTier"),
                *_ours(cluster, "specialists", "Specialist"),
                *_listed(cluster, "/api/v1/nodes", "v1", "Node"),
                *_listed(cluster, "/api/v1/pods", "v1", "Pod"),
                *_listed(cluster, "/apis/apps/v1/deployments", "apps/v1", "Deployment", SPECIALIST),
            ]
        )


def read_nodes(access: Access) -> Manifests:
    """Nodes and tiers alone; a cluster that does not know our resources yet has no tiers."""
    with connect(access) as cluster:
        try:
            tiers = _ours(cluster, "gputiers", "GPUTier")
        except CliError:
            tiers = []
        return sorted_out([*tiers, *_listed(cluster, "/api/v1/nodes", "v1", "Node")])


def _ours(cluster: Cluster, plural: str, kind: str) -> list[Manifest]:
    try:
        return _listed(cluster, f"{GROUP_PATH}/{plural}", API_VERSION, kind)
    except AbsentError as error:
        raise CliError(
            f"{cluster.server} (context {cluster.context}) does not know tierwise's resources",
            fix="tierwise crds | kubectl apply --server-side -f -",
        ) from error


def _listed(
    cluster: Cluster, path: str, version: str, kind: str, label: str = ""
) -> list[Manifest]:
    query = {"labelSelector": label} if label else {}
    return [_manifest(item, version, kind, cluster) for item in cluster.items(path, **query)]


def _manifest(item: Object, version: str, kind: str, cluster: Cluster) -> Manifest:
    """A listed object lacks its kind: the list says it."""
    body = {"apiVersion": version, "kind": kind, **item}
    return Manifest(body, f"{cluster.context}: {kind} {item['metadata']['name']}")
