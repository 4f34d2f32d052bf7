"""`tierwise cost` asks a real ledger; `tierwise tenant` writes to a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver import ApiServer
from click.testing import Result
from fleet_looks import HOUR_S, SINCE, a_fleet, watch_fleet
from ledger_socket import listening
from ledgers import NOON, a_decision
from typer.testing import CliRunner

from tierwise_api import Tenant
from tierwise_cli.main import app
from tierwise_cli.tenant_keys import ApiKey
from tierwise_core.budget_lease import Ask
from tierwise_ledger.ingest import ingest
from tierwise_ledger.money.leases import AccountAsk, day_of, exchange
from tierwise_ledger.settings import Settings
from tierwise_ledger.store import Store

NOBODY = {"KUBECONFIG": "/nonexistent", "TIERWISE_LEDGER_URL": "", "NO_COLOR": "1"}


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=NOBODY | environment)


@pytest.fixture
def ledger_url(tmp_path: Path) -> Iterator[str]:
    """A ledger that saw two hours of a fleet, and ten answers."""
    store = Store.open(f"sqlite:///{tmp_path}/ledger.db")
    held = (("rtx-4090", "demo/sorter", 2), ("h100", "", 1))
    watch_fleet(store, a_fleet(*held), SINCE, SINCE + 2 * HOUR_S)
    rows = [a_decision(number, at=SINCE + number) for number in range(10)]
    account = AccountAsk(
        day_of(NOON), "default/team-b", "default/team-b", "day",
        Ask(1, 5_000_000_000, 1_250_000_000, 1_250_000_000),
    )  # fmt: skip
    with store.begin() as connection:
        ingest(connection, rows, received_at=SINCE + 100)
        exchange(connection, "d-1", [account], NOON)
    with listening(store, Settings(), SINCE + 2 * HOUR_S) as url:
        yield url
    store.close()


def test_cost_is_a_table_with_the_bill_below(ledger_url: str) -> None:
    said = run("cost", "--since", "2h", "--ledger", ledger_url)
    assert said.exit_code == 0, said.output
    lines = said.output.splitlines()
    assert lines[0].startswith("Cost by specialist, 2025-06-15 15:00 UTC to")
    assert lines[1].split()[:4] == ["Specialist", "USD", "Idle", "GPU-h"]
    # One H100 stood free for two hours.
    assert lines[2].split()[:2] == ["(free)", "6.00"]
    # Two GPUs of 40 cents for two hours; nobody told how fast they are, so it is estimated.
    sorter = lines[3].split()
    assert sorter[:2] == ["demo/sorter", "~1.60"]
    assert sorter[5:7] == ["10", "~0.16"]
    assert "The fleet's bill is $7.60; providers bill $0.00." in said.output


def test_cost_for_programs_is_what_the_ledger_says(ledger_url: str) -> None:
    said = run(
        "cost", "--by", "tenant", "--since", "2h", "-o", "json", TIERWISE_LEDGER_URL=ledger_url
    )
    told = json.loads(said.output)
    assert (told["by"], told["fleetUSD"]) == ("tenant", "7.60")


def test_a_wrong_time_is_told_what_would_be_right(ledger_url: str) -> None:
    said = run("cost", "--since", "yesterday", "--ledger", ledger_url)
    assert said.exit_code == 1
    assert "since is 'yesterday'; give how long ago" in said.output


def test_without_ledger_and_cluster_it_says_what_to_do() -> None:
    said = run("cost")
    assert said.exit_code == 1
    assert "--ledger" in said.output


def test_a_key_is_long_random_and_stored_as_its_digest() -> None:
    one, other = ApiKey.new("a"), ApiKey.new("a")
    assert one.secret != other.secret
    assert len(one.secret) > 40
    assert one.entry == {"name": "a", "sha256": sha256(one.secret.encode()).hexdigest()}


def test_a_manifest_for_gitops_has_no_key_in_it() -> None:
    said = run("tenant", "create", "team-a", "--per-day", "50", "--cheaper", "--manifest")
    body = yaml.safe_load(said.stdout)
    tenant = Tenant.model_validate(body)
    assert (tenant.spec.budgets.per_day, tenant.spec.budgets.on_exhausted) == (50, "Cheaper")
    key = said.stderr.split()[-1]
    assert tenant.spec.keys[0].sha256 == sha256(key.encode()).hexdigest()
    assert key not in said.stdout


@pytest.mark.parametrize("more", [["Team A"], [""], ["team-a", "-n", "Demo"]])
def test_a_name_that_no_cluster_takes_makes_no_manifest(more: list[str]) -> None:
    told = run("tenant", "create", *more, "--manifest")

    assert told.exit_code == 2
    assert told.stdout == ""
    assert "in Kubernetes" in told.stderr


def test_an_amount_that_is_none_is_told_with_its_field() -> None:
    said = run("tenant", "create", "team-a", "--per-day", "0", "--manifest")
    assert said.exit_code == 2
    assert "spec.budgets.perDay" in said.output


@pytest.mark.apiserver
class TestTenantsInACluster:
    """A tenant's life, from its first key to its last."""

    @pytest.fixture(autouse=True)
    def _cluster(self, api_server: ApiServer) -> Iterator[None]:
        self.server = api_server
        yield
        api_server.try_kubectl("delete", "tenant", "team-b")

    def tierwise(self, *arguments: str) -> Any:
        said = run("tenant", *arguments, "-o", "json", KUBECONFIG=str(self.server.kubeconfig))
        return json.loads(said.output)

    def stored(self) -> dict[str, str]:
        told = json.loads(self.server.kubectl("get", "tenant", "team-b", "-o", "json"))
        return {key["name"]: key["sha256"] for key in told["spec"]["keys"]}

    def test_create_rotate_revoke(self) -> None:
        first = self.tierwise("create", "team-b", "--per-day", "5")
        assert self.stored() == {"key-1": sha256(first["key"].encode()).hexdigest()}

        second = self.tierwise("rotate", "team-b")
        assert second["keyName"] == "key-2"
        assert set(self.stored()) == {"key-1", "key-2"}

        assert self.tierwise("revoke", "team-b", "key-1")["keys"] == ["key-2"]
        assert self.stored() == {"key-2": sha256(second["key"].encode()).hexdigest()}

    def test_the_last_key_stays_and_a_strange_one_is_named(self) -> None:
        self.tierwise("create", "team-b")
        last = self.tierwise("revoke", "team-b", "key-1")["error"]
        assert "the last key" in last["message"]
        strange = self.tierwise("revoke", "team-b", "key-9")["error"]
        assert (strange["message"], strange["fix"]) == (
            "tenant default/team-b has no key 'key-9'", "name one of key-1",
        )  # fmt: skip

    def test_twice_the_same_tenant_is_refused_by_the_cluster(self) -> None:
        self.tierwise("create", "team-b")
        refused = self.tierwise("create", "team-b")["error"]
        assert "already exists" in refused["message"]
        assert "tierwise tenant rotate team-b" in refused["fix"]

    def test_the_list_has_what_was_spent_today(self, ledger_url: str) -> None:
        self.tierwise("create", "team-b", "--per-day", "5")
        rows = self.tierwise("list", "--ledger", ledger_url)["tenants"]
        mine = next(row for row in rows if row["tenant"] == "default/team-b")
        assert (mine["budgets"]["perDay"], mine["spentTodayUSD"]) == (5, 1.25)
