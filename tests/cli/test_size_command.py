"""`tierwise size` on directories, on a Hub of our own, on fleets; and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from docblocks import ROOT
from hub_server import FakeHub, fake_hub
from typer.testing import CliRunner

from tierwise_cli.main import app

SORTER = ROOT / "examples/models/sorter"
WEIGHTS_BYTES = 333_056


def size(*arguments: object, **environment: str) -> Result:
    env = {"NO_COLOR": "1", "HF_TOKEN": "", "HF_ENDPOINT": "", "COLUMNS": "80"} | environment
    return CliRunner().invoke(app, ["size", *map(str, arguments)], env=env)


def as_json(*arguments: object, **environment: str) -> dict[str, Any]:
    told = size(*arguments, "--output", "json", **environment)
    assert told.exit_code == 0, told.output
    return dict(json.loads(told.stdout))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as running:
        running.files["acme/sorter"] = {
            name: (SORTER / name).read_bytes() for name in ("config.json", "model.safetensors")
        }
        yield running


def test_a_directory_is_sized_by_its_files() -> None:
    told = as_json(SORTER, "--context", 256)

    assert told["weights_bytes"] == WEIGHTS_BYTES
    assert told["kv_bytes_per_token"] == 2 * 3 * 2 * 32 * 2
    assert told["kv_bytes"] == told["kv_bytes_per_token"] * 256 * 8


def test_the_json_has_the_documented_fields_and_no_others() -> None:
    told = as_json(SORTER, "--tier", "l4", "--tier", "h100-80gb")

    assert list(told) == [
        "weights_bytes",
        "kv_bytes_per_token",
        "kv_bytes",
        "activation_bytes",
        "overhead_bytes",
        "total_bytes_per_gpu",
        "fits",
        "rejected",
        "assumptions",
    ]
    assert list(told["fits"][0]) == [
        "tier",
        "gpus",
        "tensor_parallel",
        "usd_per_hour",
        "headroom_bytes",
        "max_context",
        "max_concurrency",
    ]
    assert [fit["tier"] for fit in told["fits"]] == ["l4", "h100-80gb"]


def test_a_config_json_without_weights_counts_them(tmp_path: Path) -> None:
    shutil.copy(SORTER / "config.json", tmp_path)

    for source in (tmp_path, tmp_path / "config.json"):
        told = as_json(source, "--tier", "l4")
        assert told["weights_bytes"] == WEIGHTS_BYTES
        assert any("counted" in note for note in told["assumptions"])


def test_a_quantized_config_without_weights_asks_for_their_size(tmp_path: Path) -> None:
    config = json.loads((SORTER / "config.json").read_text())
    quantized = config | {"quantization_config": {"quant_method": "awq", "bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(quantized))

    told = size(tmp_path)

    assert told.exit_code == 1
    assert "quantized (awq)" in told.stderr
    assert "--weights" in told.stderr


@pytest.mark.parametrize("source", ["hf://acme/sorter", "acme/sorter"])
def test_a_hub_is_read_by_the_repositorys_name(hub: FakeHub, source: str) -> None:
    assert as_json(source, "--endpoint", hub.endpoint)["weights_bytes"] == WEIGHTS_BYTES
    assert as_json(source, HF_ENDPOINT=hub.endpoint)["weights_bytes"] == WEIGHTS_BYTES


def test_a_gated_repository_is_opened_by_the_token(hub: FakeHub) -> None:
    hub.gated["acme/sorter"] = "hf_secret"

    refused = size("acme/sorter", "--endpoint", hub.endpoint)
    opened = size("acme/sorter", "--endpoint", hub.endpoint, HF_TOKEN="hf_secret")

    assert refused.exit_code == 1
    assert opened.exit_code == 0
    assert "hf_secret" not in refused.output + opened.output


def test_a_missing_repository_is_named(hub: FakeHub) -> None:
    told = size("acme/none", "--endpoint", hub.endpoint)

    assert told.exit_code == 1
    assert "acme/none" in told.stderr


def test_what_is_known_by_hand_needs_no_source(hub: FakeHub) -> None:
    told = as_json(
        "acme/none",
        *("--endpoint", hub.endpoint, "--weights", "140G", "--kv-bytes-per-token", 327_680),
        *("--context", 8192, "--concurrency", 1, "--tier", "h100-80gb", "--tier", "l4"),
    )

    assert told["weights_bytes"] == 140_000_000_000
    places = [(fit["tier"], fit["gpus"]) for fit in told["fits"]]
    assert places == [("l4", 8), ("h100-80gb", 2)]
    assert any("was not read" in note for note in told["assumptions"])


def test_rejected_tiers_tell_the_numbers() -> None:
    told = as_json(SORTER, "--tier", "t4", "--overhead", "20Gi")

    (rejected,) = told["rejected"]
    assert rejected["tier"] == "t4"
    assert "13.5 GiB are usable" in rejected["reason"]


def test_prices_that_are_given_order_the_tiers() -> None:
    told = as_json(SORTER, "--tier", "l4", "--tier", "b200", "--price", "b200=0.10")

    assert [(fit["tier"], fit["usd_per_hour"]) for fit in told["fits"]] == [
        ("b200", 0.10),
        ("l4", 0.44),
    ]


def test_a_fleets_tiers_have_its_prices_and_its_nodes() -> None:
    told = as_json(
        SORTER, "--fleet", ROOT / "examples/fleets/mixed", "--tensor-parallel", 2, "--context", 64
    )

    assert {fit["tier"]: fit["usd_per_hour"] for fit in told["fits"]}["a100"] == 2.78
    assert [(each["tier"], each["reason"]) for each in told["rejected"]] == [
        ("l4", "needs 2 GPUs on one node, its largest node has 1")
    ]


def test_what_a_tier_has_learned_is_applied_and_said(tmp_path: Path) -> None:
    learned = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": "mine"},
        "spec": {"gpu": {"product": "NVIDIA-L4"}, "price": {"perGPUHour": 1}},
    }
    (tmp_path / "tier.json").write_text(json.dumps(learned))
    before = as_json(SORTER, "--fleet", tmp_path)["fits"][0]["headroom_bytes"]
    learned["status"] = {"correction": {"samples": 5, "overheadBytes": 2**30}}
    (tmp_path / "tier.json").write_text(json.dumps(learned))
    told = as_json(SORTER, "--fleet", tmp_path)

    assert before - told["fits"][0]["headroom_bytes"] == 2**30
    assert any("corrected by what 5 loads there took" in note for note in told["assumptions"])


def test_the_table_shows_parts_fits_and_reasons() -> None:
    told = size(SORTER, "--context", 256, "--tier", "l4", "--tier", "t4", "--overhead", "14Gi")

    assert told.exit_code == 0
    for words in ("weights, whole model", "768 B per token", "Fits, cheapest first", "MAX CONTEXT"):
        assert words in told.stdout
    assert "Does not fit\nTIER  WHY NOT" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "'nowhere' is no model"),
        (["./nowhere"], "'./nowhere' is no model"),
        ([SORTER / "README.md"], "is a file, but no config.json"),
        ([SORTER, "--tier", "rtx-4O90"], "did you mean rtx-4090?"),
        ([SORTER, "--tier", "a30"], "no list price is known"),
        ([SORTER, "--price", "l4=0"], "--price 'l4=0': is not NAME=USD with a price above 0"),
        (
            [SORTER, "--price", "rtx-409=1"],
            "'rtx-409' is none of the tiers (did you mean rtx-4090?)",
        ),
        ([SORTER, "--weights", "much"], '--weights "much" is not a quantity'),
        ([SORTER, "--weights", "-1"], "--weights '-1': must be above 0"),
        ([SORTER, "--tensor-parallel", "3"], "--tensor-parallel: 3 does not divide"),
        ([SORTER, "--context", "99999"], "--context: 99999 is longer than"),
        ([SORTER, "--quantization", "fp9"], "--quantization: 'fp9' is not"),
        ([SORTER, "--fleet", "x", "--live"], "--fleet and --live exclude each other"),
        (
            [SORTER, "--fleet", "/nonexistent"],
            "--fleet /nonexistent: there is no such file or directory",
        ),
    ],
)
def test_a_mistake_is_named_with_its_option_and_exits_with_2(
    arguments: list[object], told: str
) -> None:
    refused = size(*arguments)

    assert refused.exit_code == 2, refused.output
    assert told in refused.stderr.replace("\n", " ")
    assert "spec." not in refused.stderr


def test_an_error_is_json_where_json_was_asked_for() -> None:
    told = size("nowhere", "--output", "json")

    assert told.exit_code == 2
    assert json.loads(told.stdout)["error"]["kind"] == "UsageError"
