"""`make up` on a cluster that is up already."""

import httpx
from cluster import Cluster


def test_a_second_make_up_changes_nothing(cluster: Cluster) -> None:
    uids = {
        kind: cluster.kubectl("get", kind, "-A", "-o", "jsonpath={.items[*].metadata.uid}")
        for kind in ("specialists", "deployments", "services")
    }

    cluster.make_up()

    for kind, before in uids.items():
        now = cluster.kubectl("get", kind, "-A", "-o", "jsonpath={.items[*].metadata.uid}")
        assert sorted(now.split()) == sorted(before.split()), kind
    assert httpx.get(f"{cluster.url}/readyz", timeout=60).status_code == 200
