"""The router reads every variable that the chart sets for it."""

import os
from collections.abc import Iterator, Mapping

import pytest
from helmchart import environment_of, rendered

from tierwise_router.settings import Settings

pytestmark = pytest.mark.apiserver


class Recorder(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)


def test_the_router_reads_every_variable_of_ours() -> None:
    values = {"router": {"dispatchers": 3, "drainSeconds": 7, "withdrawSeconds": 2}}
    environment = environment_of(rendered(values), "tierwise-router")
    ours = {name: str(value) for name, value in environment.items() if "TIERWISE_" in name}
    seen = Recorder(ours)

    settings = Settings.from_env(seen)

    assert set(ours) <= seen.asked
    assert (settings.dispatchers, settings.drain_s, settings.withdraw_s) == (3, 7, 2)
    assert "TIERWISE_DISPATCHERS" not in os.environ  # what the test sets is what was read


def test_the_journal_outlives_a_container_unless_it_is_said_where_to_keep_it() -> None:
    mine = [{"name": "TIERWISE_JOURNAL_DIR", "value": "/volume/journal"}]
    usual = environment_of(rendered({}), "tierwise-router")
    chosen = environment_of(rendered({"router": {"env": mine}}), "tierwise-router")

    assert usual["TIERWISE_JOURNAL_DIR"] == "/tmp/journal"  # noqa: S108 - the pod's own volume
    assert chosen["TIERWISE_JOURNAL_DIR"] == "/volume/journal"
