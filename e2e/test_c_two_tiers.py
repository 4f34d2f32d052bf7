"""A full tier, with real engines: a Specialist spans two."""

from cluster import Cluster, answer, eventually


def test_real_engines_answer_on_two_tiers(cluster: Cluster) -> None:
    """All four RTX 4090 are taken; the second replica goes to the H100."""
    cluster.kubectl("scale", "specialist", "sorter", "--replicas=2")
    try:
        seen = eventually(
            lambda: cluster.get("specialist", "sorter")["status"].get("endpoints", []),
            lambda found: {e["tier"] for e in found} == {"rtx-4090", "h100"},
            300,
        )
        assert len(seen) == 2
        replies = {answer(cluster.ask("sort dbca", model="sorter")) for _ in range(8)}
        assert replies == {"abcd"}
    finally:
        cluster.kubectl("scale", "specialist", "sorter", "--replicas=1")
        eventually(
            lambda: cluster.get("specialist", "sorter")["status"].get("endpoints", []),
            lambda found: [e["tier"] for e in found] == ["rtx-4090"],
        )
