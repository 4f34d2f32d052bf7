"""`tierwise tiers discover`: manifests out of nodes, and what needs a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from tierwise_api import GPUTier
from tierwise_cli.main import app

GPU = "nvidia.com/gpu"


def node(name: str = "n", gpus: int = 2, **labels: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"allocatable": {GPU: str(gpus)}},
    }


def product(name: str, memory: int = 0) -> dict[str, str]:
    told = {"nvidia.com/gpu.product": name}
    return told | ({"nvidia.com/gpu.memory": str(memory)} if memory else {})


def discover(*arguments: object, nodes: list[dict[str, Any]]) -> Result:
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes})
    env = {"NO_COLOR": "1", "KUBECONFIG": "/nonexistent"}
    words = ["tiers", "discover", "-f", "-", *map(str, arguments)]
    return CliRunner().invoke(app, words, input=listed, env=env)


def test_every_manifest_is_good_by_the_models() -> None:
    nodes = [
        node("a", **product("NVIDIA-L4", 23034)),
        node("b", **product("NVIDIA-H100-80GB-HBM3")),
        node("c", **{"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}),
    ]
    told = discover(nodes=nodes)

    tiers = [GPUTier.model_validate(each) for each in yaml.safe_load_all(told.stdout)]
    assert [(tier.metadata.name, tier.spec.escalate_to) for tier in tiers] == [
        ("l4", "h100-80gb"),
        ("t4", "h100-80gb"),
        ("h100-80gb", None),
    ]
    assert tiers[0].spec.gpu.memory == "23034Mi"
    assert tiers[1].spec.node_selector == {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}


def test_a_list_price_is_named_in_a_comment_and_a_given_one_is_not() -> None:
    nodes = [node(**product("NVIDIA-L4"))]

    assert (
        "# a list price (RunPod's spot price of March 2026, as deploybase.ai has it): "
        "write what you pay" in (discover(nodes=nodes).stdout)
    )
    given = discover("--price", "l4=0.35", nodes=nodes).stdout
    assert "list price" not in given
    assert "perGPUHour: 0.35" in given


def test_json_is_a_list_that_kubectl_applies() -> None:
    found = json.loads(discover("-o", "json", nodes=[node(**product("NVIDIA-L4"))]).stdout)

    assert (found["kind"], found["apiVersion"]) == ("List", "v1")
    assert found["items"][0]["metadata"]["name"] == "l4"


def test_a_gpu_without_a_known_price_is_left_out_and_told() -> None:
    told = discover(
        nodes=[node("a", **product("NVIDIA-L4")), node("b", **product("Odd-GPU", 8192))]
    )

    assert told.exit_code == 1
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(told.stdout)] == ["l4"]
    assert "give --price odd-gpu=USD" in told.stderr.replace("\n", " ")


def test_nodes_that_no_label_describes_are_told() -> None:
    told = discover(nodes=[node("a", **product("NVIDIA-L4")), node("plain")])

    assert told.exit_code == 1
    assert "no label names the GPUs of node plain" in told.stderr.replace("\n", " ")


def test_nothing_new_says_so() -> None:
    there = {
        "apiVersion": "tierwise.dev/v1alpha1",
        "kind": "GPUTier",
        "metadata": {"name": "mine"},
        "spec": {"gpu": {"product": "NVIDIA-L4"}, "price": {"perGPUHour": 1}},
    }
    told = discover(nodes=[there, node(**product("NVIDIA-L4"))])

    assert (told.exit_code, told.stdout) == (0, "")
    assert "there already: mine" in told.stderr
    assert "no GPU without a GPUTier" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--price", "l4"], "is not NAME=USD"),
        (["--price", "l4=0"], "with a price above 0"),
        (["--price", "l5=1"], "--price l5: no proposed tier is of that product"),
    ],
)
def test_a_wrong_price_is_named(arguments: list[str], told: str) -> None:
    refused = discover(*arguments, nodes=[node(**product("NVIDIA-L4"))])

    assert refused.exit_code in {1, 2}
    assert told in refused.stderr.replace("\n", " ")


def test_neither_file_nor_cluster_says_both_ways() -> None:
    told = CliRunner().invoke(app, ["tiers", "discover"]).stderr

    assert "--live" in told
    assert "-f FILE" in told


def test_no_nodes_at_all_is_a_mistake(tmp_path: Path) -> None:
    refused = discover(nodes=[])

    assert refused.exit_code == 2
    assert "there are no nodes" in refused.stderr
