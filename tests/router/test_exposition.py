"""One scrape of any dispatcher tells the counts of the whole pod."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from tierwise_router.dispatcher import Dispatcher
from tierwise_router.exposition import exposition, leave_tally
from tierwise_router.rundir import run_dir
from tierwise_router.settings import Settings
from tierwise_router.tally import Tally


async def dispatcher(folder: Path) -> Dispatcher:
    one = Dispatcher.create(Settings())
    one.tally_files = str(folder)
    return one


def left_by_another(folder: Path, process: str) -> None:
    tally = Tally()
    tally.requests["/chat/completions", "auto", "demo/sorter", 200] = 5
    tally.durations["demo/sorter"].add(0.3)
    tally.escalations["demo/sorter", "demo/frontier", "below_floor"] = 2
    tally.cost_usd["demo/sorter"] = 0.5
    tally.in_flight = 3
    (folder / f"{process}.json").write_bytes(orjson.dumps(tally.dump()))


async def test_counts_of_all_dispatchers_are_added_up(tmp_path: Path) -> None:
    mine = await dispatcher(tmp_path)
    mine.tally.requests["/chat/completions", "auto", "demo/sorter", 200] = 2
    mine.tally.durations["demo/sorter"].add(0.02)
    leave_tally(mine)
    left_by_another(tmp_path, "1")  # a process that lives

    text = exposition(mine)[0].decode()

    labels = 'endpoint="/chat/completions",model="auto",specialist="demo/sorter",status="200"'
    assert f"tierwise_router_requests_total{{{labels}}} 7.0" in text
    name = "tierwise_router_request_duration_seconds"
    assert f'{name}_bucket{{le="0.025",specialist="demo/sorter"}} 1.0' in text
    assert f'{name}_bucket{{le="+Inf",specialist="demo/sorter"}} 2.0' in text
    assert f'{name}_sum{{specialist="demo/sorter"}} 0.32' in text
    assert "tierwise_router_requests_in_flight 3.0" in text
    assert 'tierwise_router_cost_usd_total{specialist="demo/sorter"} 0.5' in text


async def test_what_a_dead_dispatcher_counted_stays_but_not_its_requests(tmp_path: Path) -> None:
    mine = await dispatcher(tmp_path)
    left_by_another(tmp_path, "999999999")

    text = exposition(mine)[0].decode()

    assert 'reason="below_floor",to="demo/frontier"} 2.0' in text
    assert "tierwise_router_requests_in_flight 0.0" in text


def test_what_a_killed_router_left_is_swept(tmp_path: Path) -> None:
    with run_dir(tmp_path) as living:
        left, late, newborn = (tmp_path / f"tierwise-router-{name}" for name in "abc")
        for folder in (left, late, newborn):
            folder.mkdir()
        (left / "lock").touch()
        os.utime(late, (0, 0))

        with run_dir(tmp_path) as mine:
            assert living.exists()
            assert newborn.exists()
            assert not left.exists()
            assert not late.exists()

        assert not mine.exists()
