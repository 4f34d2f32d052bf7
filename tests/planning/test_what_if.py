"""Changes that are only tried out: what can be said, and what is answered to what cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierwise_core.errors import WhatIfError
from tierwise_core.fleet import GPUTier, Node
from tierwise_core.fleet_plan import Fleet
from tierwise_core.specialist import ModelSpec, PlacementSpec, Specialist
from tierwise_core.what_if import apply, parse

GPU = "nvidia.com/gpu"


def specialist(name: str, namespace: str = "ai") -> Specialist:
    model = ModelSpec(f"file:///models/{name}", max_model_len_tokens=256)
    return Specialist(namespace, name, "u", 1, model=model, placement=PlacementSpec())


def fleet() -> Fleet:
    return Fleet(
        specialists=(specialist("sorter"), specialist("adder")),
        tiers=(
            GPUTier("h100", node_selector={"gpu": "h100"}, usd_per_gpu_hour=3.0),
            GPUTier("l4", node_selector={"gpu": "l4"}, usd_per_gpu_hour=0.4),
        ),
        nodes=(
            Node("a", {"gpu": "h100"}, {GPU: 8}),
            Node("b", {"gpu": "h100"}, {GPU: 4}),
        ),
        use={"a": {GPU: 3}, "b": {GPU: 1}},
    )


def after(*changes: str) -> Fleet:
    changed = fleet()
    for text in changes:
        changed = apply(changed, parse(text))
    return changed


def test_a_price_changes_for_one_tier() -> None:
    prices = {tier.name: tier.usd_per_gpu_hour for tier in after("price h100=2.00").tiers}
    assert prices == {"h100": 2.0, "l4": 0.4}


def test_new_nodes_are_as_large_as_the_tiers_largest() -> None:
    new = after("nodes h100+2").nodes[2:]
    assert [(node.name, node.gpus, node.ready) for node in new] == [
        ("h100-new-1", {GPU: 8}, True),
        ("h100-new-2", {GPU: 8}, True),
    ]


def test_new_nodes_belong_to_their_tier() -> None:
    assert after("nodes l4+1x2").nodes[-1].labels == {"gpu": "l4"}


def test_nodes_can_be_set_to_a_number_either_way() -> None:
    assert len(after("nodes h100=5").nodes) == 5
    assert [node.name for node in after("nodes h100=1").nodes] == ["a"]
    assert after("nodes h100=2").nodes == fleet().nodes


def test_the_emptiest_nodes_go_first_and_what_they_held_with_them() -> None:
    changed = after("nodes h100-1")
    assert [node.name for node in changed.nodes] == ["a"]
    assert changed.use == {"a": {GPU: 3}}


def test_a_node_can_lose_a_gpu_be_cordoned_and_go() -> None:
    assert after("gpus a=7").nodes[0].gpus == {GPU: 7}
    assert after("cordon a").nodes[0].cordoned
    assert [node.name for node in after("remove node a").nodes] == ["b"]


def test_a_specialist_can_be_changed_in_several_ways_at_once() -> None:
    changed = after(
        "specialist sorter replicas=4 concurrency=32 context=1024 priority=-5 tensor-parallel=2 "
        "tiers=l4,h100"
    ).specialists[0]
    assert changed.placement.min_replicas == changed.placement.max_replicas == 4
    assert changed.placement.target_concurrency == 32
    assert changed.model is not None
    assert changed.model.max_model_len_tokens == 1024
    assert changed.priority == -5
    assert changed.placement.tensor_parallel == 2
    assert changed.placement.tiers == ("l4", "h100")


def test_replicas_that_are_set_come_before_what_a_load_wants() -> None:
    wanting = Fleet(specialists=(specialist("sorter"),), wanted={"ai/sorter": 7})
    assert apply(wanting, parse("specialist sorter replicas=2")).wanted == {}
    assert apply(wanting, parse("specialist sorter priority=2")).wanted == {"ai/sorter": 7}


def test_tiers_and_specialists_can_be_taken_away() -> None:
    assert [tier.name for tier in after("remove tier h100").tiers] == ["l4"]
    assert [sp.name for sp in after("remove specialist ai/sorter").specialists] == ["adder"]


def test_words_may_be_written_with_spaces_and_capitals() -> None:
    assert after("PRICE h100 = 2").tiers[0].usd_per_gpu_hour == 2.0
    assert len(after("nodes h100 + 2").nodes) == 4


def test_a_name_in_two_namespaces_must_be_written_in_full() -> None:
    two = Fleet(specialists=(specialist("sorter"), specialist("sorter", "b")))
    with pytest.raises(WhatIfError, match="write one of ai/sorter, b/sorter"):
        apply(two, parse("remove specialist sorter"))
    assert len(apply(two, parse("remove specialist b/sorter")).specialists) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty; write one of"),
        ("pricing h100=2", "(did you mean price?)"),
        ("price h100", "write price TIER=USD"),
        ("price h100=free", "must be above 0"),
        ("price h100=0", "must be above 0"),
        ("price h100=nan", "must be above 0"),
        ("nodes h100", "write nodes TIER+N"),
        ("nodes h100+2x0", "0 GPUs adds nothing"),
        ("nodes h100+999999999", "from 0 to 100000"),
        ("gpus a=lots", "must be a whole number"),
        ("cordon", "write cordon NODE"),
        ("remove a", "write remove node NAME"),
        ("specialist sorter", "write specialist NAME KEY=VALUE"),
        ("specialist sorter color=red", "'color=red' is no setting; write replicas=..."),
        ("specialist sorter concurrency=0", "must be 1 or more"),
        ("specialist sorter priority=high", "must be a whole number"),
    ],
)
def test_what_makes_no_sense_is_quoted_with_how_to_write_it(text: str, told: str) -> None:
    with pytest.raises(WhatIfError) as refused:
        parse(text)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("price h10=2", "there is no tier 'h10' (did you mean h100?); there are: h100, l4"),
        ("nodes l4+2", "has no nodes to copy; say how many GPUs each has, such as nodes l4+2x8"),
        ("nodes h100-3", "has only 2 nodes"),
        ("remove node c", "there is no node 'c'; there are: a, b"),
        ("specialist sort replicas=1", "there is no Specialist 'sort' (did you mean sorter?)"),
    ],
)
def test_what_the_fleet_has_not_is_said_with_what_it_has(text: str, told: str) -> None:
    with pytest.raises(WhatIfError) as refused:
        after(text)
    assert told in str(refused.value)


@given(st.text(alphabet="pricenodesgpur h100=+-x0123.l4", max_size=40))
def test_whatever_is_written_is_understood_or_refused_in_words(text: str) -> None:
    try:
        apply(fleet(), parse(text))
    except WhatIfError as refused:
        assert str(refused)  # noqa: PT017 - either outcome is right
