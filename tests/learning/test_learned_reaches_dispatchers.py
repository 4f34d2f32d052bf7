"""From a row of the journal to a dispatcher's next prediction, by the watcher's long-poll."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from dispatchers import until
from journals import NOON, decision, feedback, write_rows

from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exposition import exposition
from tierwise_router.follow import Follower
from tierwise_router.learning.learner import Learner
from tierwise_router.settings import Settings
from tierwise_router.sources import Resources, Source
from tierwise_router.sources.files import read_resources
from tierwise_router.watch import RouteWatch

ROUTES = """
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {name: sorter, namespace: demo}
spec:
  field: sorting
  external: {baseURL: "http://127.0.0.1:1", model: sorter}
  routing: {examples: [sort dbca, please sort the letters homv, order the letters qmzab]}
"""


class Once(Source):
    """One set of resources, and then nothing new."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def snapshots(self) -> AsyncIterator[Resources]:
        yield self._resources
        await asyncio.Event().wait()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    return Once(read_resources([path]))


async def test_outcomes_change_predictions_floors_and_metrics(
    source: Source, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    seconds = count(NOON, 10.0)  # each look at the clock is ten seconds after the last
    watch = RouteWatch(lambda: source, learner=Learner(journal, lambda: next(seconds)))
    dispatchers = [Dispatcher.create(Settings()) for _ in range(2)]
    following = [
        asyncio.ensure_future(Follower(one, watch.wait_for, lambda: None).run())
        for one in dispatchers
    ]
    await until(lambda: all(one.brain is not None for one in dispatchers))
    before = dispatchers[0].current_brain()
    floor = before.acceptance.floor_for("demo/sorter", "", 0.85, 0.8)

    rows = [
        row
        for number in range(200)
        for row in (
            decision(number, revision="", at=NOON),
            feedback(number, accepted=number % 20 != 0),
        )
    ]
    write_rows(journal, rows)
    await until(lambda: all(one.current_brain().acceptance.known for one in dispatchers))

    after = dispatchers[1].current_brain()
    assert after.table is before.table or after.table == before.table
    assert after.acceptance.record("demo/sorter", "").accepted == pytest.approx(190.0, rel=0.01)
    assert floor == 0.85
    assert after.acceptance.floor_for("demo/sorter", "", 0.85, 0.8) == 0.8
    assert after.plan("sort dbca").hops[0].floor <= floor
    said = exposition(dispatchers[0])[0].decode()
    assert 'learned_outcomes{source="feedback",specialist="demo/sorter"} 200.0' in said
    assert 'prediction_accepted{specialist="demo/sorter"} 0.95' in said
    for task in following:
        task.cancel()
