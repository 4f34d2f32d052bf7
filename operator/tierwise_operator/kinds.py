"""The kinds of objects the operator reads and writes, and where the API server keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierwise_core.children import MANAGED_BY


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API server; selectors narrow what is listed and watched."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    label_selector: str = ""
    field_selector: str = ""

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects.

        >>> DEPLOYMENT.api_version, NODE.api_version
        ('apps/v1', 'v1')
        """
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of a collection, an object or a subresource.

        >>> DEPLOYMENT.path("ai", "sorter-5d8f7c9b")
        '/apis/apps/v1/namespaces/ai/deployments/sorter-5d8f7c9b'
        >>> GPU_TIER.path(name="h100", subresource="status")
        '/apis/tierwise.dev/v1alpha1/gputiers/h100/status'
        """
        root = f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"
        parts = (root, f"namespaces/{namespace}" if namespace else "", self.plural)
        return "/".join(part for part in (*parts, name, subresource) if part)

    @property
    def query(self) -> dict[str, str]:
        """The selectors as query parameters."""
        selectors = {"labelSelector": self.label_selector, "fieldSelector": self.field_selector}
        return {name: value for name, value in selectors.items() if value}


OURS = f"{MANAGED_BY}=tierwise"

SPECIALIST = Kind("Specialist", "tierwise.dev", "v1alpha1", "specialists")
GPU_TIER = Kind("GPUTier", "tierwise.dev", "v1alpha1", "gputiers", namespaced=False)
ROLLOUT = Kind("Rollout", "tierwise.dev", "v1alpha1", "rollouts")
FIELD_PROFILE = Kind("FieldProfile", "tierwise.dev", "v1alpha1", "fieldprofiles", namespaced=False)
NODE = Kind("Node", "", "v1", "nodes", namespaced=False)
# A pod that has ended holds no GPU and serves nobody; clusters keep thousands of them.
POD = Kind("Pod", "", "v1", "pods", field_selector="status.phase!=Succeeded,status.phase!=Failed")
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", label_selector=OURS)
SERVICE = Kind("Service", "", "v1", "services", label_selector=OURS)
# What may be installed beside Kubernetes; see `extensions`.
LEADER_WORKER_SET = Kind(
    "LeaderWorkerSet",
    "leaderworkerset.x-k8s.io",
    "v1",
    "leaderworkersets",
    label_selector=OURS,
)
RESOURCE_FLAVOR = Kind(
    "ResourceFlavor", "kueue.x-k8s.io", "v1beta1", "resourceflavors", namespaced=False
)
WORKLOAD = Kind("Workload", "kueue.x-k8s.io", "v1beta1", "workloads")
EVENT = Kind("Event", "events.k8s.io", "v1", "events")
SECRET = Kind("Secret", "", "v1", "secrets")
CONFIG_MAP = Kind("ConfigMap", "", "v1", "configmaps")
JOB = Kind("Job", "batch", "v1", "jobs", label_selector=OURS)
READER_POD = Kind("Pod", "", "v1", "pods")  # of a Job, also when it has ended
LEASE = Kind("Lease", "coordination.k8s.io", "v1", "leases")

# What the fleet has and what its GPUs are used for is seen everywhere; what the operator writes to
# is seen where it serves.
FLEET_WIDE = (FIELD_PROFILE, GPU_TIER, NODE, POD)
SERVED = (DEPLOYMENT, ROLLOUT, SERVICE, SPECIALIST)
WATCHED = (*FLEET_WIDE, *SERVED)


def scopes(kind: Kind, namespaces: Sequence[str]) -> tuple[str, ...]:
    """Return the namespaces to list a kind in; the empty one is all of them.

    >>> scopes(SPECIALIST, ["ai"]), scopes(POD, ["ai"]), scopes(SPECIALIST, [])
    (('ai',), ('',), ('',))
    """
    return tuple(namespaces) if namespaces and kind in SERVED else ("",)


EXTENSIONS = (LEADER_WORKER_SET, RESOURCE_FLAVOR, WORKLOAD)

BY_NAME: Mapping[str, Kind] = {
    kind.name: kind for kind in (*WATCHED, *EXTENSIONS, EVENT, LEASE, SECRET, CONFIG_MAP, JOB)
}
