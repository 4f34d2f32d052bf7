"""What is written from the metrics is up to date, and asks for nothing that does not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from dispatchers import Running, general, route
from docblocks import ROOT
from fake_engine import answers
from ledgers import Served
from prometheus_client.parser import text_string_to_metric_families

from observability import alerts
from observability.__main__ import FILES, PAGE, written, wrong
from observability.bounds import BOUNDS
from observability.dashboards import DASHBOARDS
from observability.grafana import dashboard, queries
from observability.inventory import Described, everything, samples
from tierwise_ledger.store import Store


@pytest.fixture(scope="module")
def metrics() -> tuple[Described, ...]:
    import threading  # noqa: PLC0415

    found: list[tuple[Described, ...]] = []
    asking = threading.Thread(target=lambda: found.append(everything()))
    asking.start()  # it runs an event loop of its own
    asking.join()
    return found[0]


def test_nothing_that_is_generated_differs(metrics: tuple[Described, ...]) -> None:
    for path, text in written(metrics):
        assert path.read_text(encoding="utf-8") == text, f"{path}: run make generate"


def test_every_query_asks_for_what_exists_and_every_label_is_bounded(
    metrics: tuple[Described, ...],
) -> None:
    assert list(wrong(metrics)) == []


def test_a_metric_that_is_gone_or_new_is_a_difference(metrics: tuple[Described, ...]) -> None:
    gone = [one for one in metrics if one.name != "tierwise_router_requests"]
    new = (*metrics, Described("router", "tierwise_router_moons", "gauge", "Moons.", ("moon",)))

    assert any("tierwise_router_requests_total" in problem for problem in wrong(tuple(gone)))
    assert any("bounds.py" in problem for problem in wrong(new))
    assert dict(written(tuple(gone)))[PAGE] != PAGE.read_text(encoding="utf-8")


def test_the_page_names_every_component_s_metrics(metrics: tuple[Described, ...]) -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert {one.component for one in metrics} == {"router", "ledger", "operator"}
    assert all(f"`{one.name}" in page for one in metrics)
    assert len({one.name for one in metrics}) == len(metrics)


async def test_what_a_router_exposes_is_documented(
    engine: Any, run: Any, metrics: tuple[Described, ...]
) -> None:
    pod = await engine(answers("abcd"))
    router: Running = await run(route("sorter", pod.url), general("frontier"))
    await router.chat("sort dbca")
    await router.chat("sort dbca", "frontier")

    exposed = list(text_string_to_metric_families((await router.client.get("/metrics")).text))

    known = {one.name: one for one in metrics}
    for family in exposed:
        assert family.name in known
        for sample in family.samples:
            assert set(sample.labels) - {"le"} <= set(known[family.name].labels)


async def test_no_label_holds_what_a_client_wrote(engine: Any, run: Any) -> None:
    pod = await engine(answers("abcd"))
    router: Running = await run(route("sorter", pod.url))
    for number in range(20):
        headers = {"x-session-id": f"moon-{number}", "x-request-id": f"moon-{number}"}
        for model in ("auto", "sorter", f"moon-{number}"):
            body = {
                "model": model,
                "user": f"moon-{number}",
                "messages": [{"role": "user", "content": f"sort moon{number}"}],
            }
            await router.client.post("/v1/chat/completions", json=body, headers=headers)
        await router.client.post(f"/v1/moon-{number}", json={})

    text = (await router.client.get("/metrics")).text

    assert "moon" not in text
    series = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(series) < 120


def test_what_the_ledger_exposes_is_documented(
    tmp_path: Path, metrics: tuple[Described, ...]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    told = Served(store).client.get("/metrics/cost").text
    store.close()

    names = {line.split()[2] for line in told.splitlines() if line.startswith("# TYPE")}
    assert names
    assert names <= {one.name for one in metrics if one.component == "ledger"}


def test_alerts_say_what_to_do_and_have_names_of_their_own() -> None:
    rules = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"][0]["rules"]

    assert len({rule["alert"] for rule in rules}) == len(rules) == len(alerts.ALERTS)
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning", "info"}
    assert all(rule["annotations"]["description"].endswith(".") for rule in rules)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.uid)
def test_panels_lie_beside_each_other_and_never_on_each_other(board: Any) -> None:
    made = json.loads((FILES / f"dashboards/{board.uid}.json").read_text())
    taken: set[tuple[int, int]] = set()

    for panel in made["panels"]:
        grid = panel["gridPos"]
        cells = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert grid["x"] + grid["w"] <= 24
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
    asked = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]
    assert asked == [query for _, query in queries(board)]
    assert made == dashboard(board)


def test_make_generates_and_verifies_them() -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert makefile.count("-m observability\n") == makefile.count("-m observability --check\n") == 1


def test_every_bound_is_of_a_label_that_is_used(metrics: tuple[Described, ...]) -> None:
    assert set(BOUNDS) == {label for one in metrics for label in one.labels}
    assert samples(metrics)
