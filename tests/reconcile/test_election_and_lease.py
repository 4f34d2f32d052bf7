"""Leader election: one leads, the other waits, nobody leads twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from fake_cluster import LEASE, FakeCluster, refuse
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.election import LeaseRecord, Sighting, claim, elect, release, sight
from tierwise_operator import leadership
from tierwise_operator.leadership import Leadership, LeadershipLostError


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 20), st.booleans()), max_size=40))
def test_two_candidates_never_both_believe_to_lead(
    turns: list[tuple[str, int, bool]],
) -> None:
    """Each turn time passes, then one candidate acts; a leader that cannot act gives up."""
    record: LeaseRecord | None = None
    seen: dict[str, Sighting | None] = {"a": None, "b": None}
    renewed_at: dict[str, int] = {}
    now = 0
    for who, passed, reaches in turns:
        now += passed
        if reaches:
            seen[who] = sighting = sight(seen[who], record, now)
            if elect(sighting, who, now) == "wait":
                renewed_at.pop(who, None)
            else:
                record = claim(record, who, str(now), 15)
                renewed_at[who] = now
        leaders = [name for name, since in renewed_at.items() if now - since < 10]
        assert len(leaders) <= 1


def test_a_released_lease_is_taken_at_once() -> None:
    given_back = release(LeaseRecord("a", renewed="1"), "2")
    assert elect(Sighting(given_back, 0.0), "b", 0.0) == "take"


def test_without_a_lease_a_candidate_creates_it() -> None:
    assert elect(Sighting(None, 0.0), "a", 0.0) == "create"


def test_a_renewal_keeps_the_time_of_acquisition_and_counts_no_transition() -> None:
    first = claim(None, "a", "T1", 15)
    assert claim(first, "a", "T2", 15) == replace(first, renewed="T2")


async def test_the_first_leads_and_the_second_stands_by() -> None:
    cluster = FakeCluster()
    first, second = (Leadership(cluster, "tierwise-system", name) for name in "ab")
    assert await first.attempt(0.0)
    assert not await second.attempt(1.0)
    assert await first.attempt(2.0)
    assert not await second.attempt(16.0)
    assert (first.leads, second.leads) == (True, False)


async def test_a_leader_that_died_is_replaced_after_the_duration() -> None:
    cluster = FakeCluster()
    first, second = (Leadership(cluster, "tierwise-system", name) for name in "ab")
    assert await first.attempt(0.0)
    assert not await second.attempt(1.0)
    assert await second.attempt(16.0)
    spec = cluster.find("Lease", "tierwise-system/tierwise-operator")["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 1)


async def test_a_lease_that_is_given_back_is_free() -> None:
    cluster = FakeCluster()
    first, second = (Leadership(cluster, "tierwise-system", name) for name in "ab")
    await first.attempt(0.0)
    await first.give_back()
    assert await second.attempt(1.0)
    await first.give_back()  # it no longer leads, so this must not take the lease away
    assert (
        cluster.find("Lease", "tierwise-system/tierwise-operator")["spec"]["holderIdentity"] == "b"
    )


async def test_of_two_who_race_for_the_same_version_one_wins() -> None:
    cluster = FakeCluster()
    stale = Leadership(cluster, "tierwise-system", "a")
    await stale.attempt(0.0)
    body = cluster.find("Lease", "tierwise-system/tierwise-operator")
    cluster.faults.append(refuse("replace Lease", 409, "modified"))
    assert not await stale.attempt(1.0)
    assert body["spec"]["holderIdentity"] == "a"


async def test_a_leader_that_cannot_renew_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(leadership, "RENEW_DEADLINE_SECONDS", 0.0)
    cluster = FakeCluster()
    leader = Leadership(cluster, "tierwise-system", "a")
    await leader.acquire()
    cluster.faults.append(refuse("Lease", 500))
    with pytest.raises(LeadershipLostError):
        await leader.keep()
    assert not leader.leads


async def test_a_leader_whose_lease_was_taken_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leadership, "RETRY_SECONDS", 0.0)
    cluster = FakeCluster()
    leader = Leadership(cluster, "tierwise-system", "a")
    await leader.acquire()
    body = cluster.find(LEASE.name, "tierwise-system/tierwise-operator")
    cluster.put({**body, "spec": {**body["spec"], "holderIdentity": "b", "renewTime": "later"}})
    with pytest.raises(LeadershipLostError):
        await asyncio.wait_for(leader.keep(), timeout=60)
