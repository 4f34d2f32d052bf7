"""Which adapters are refused before a pod tries, in which words; others are not held up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from observed import SMALL, a_specialist

from tierwise_core.adapter_checks import AdapterReading, Finding, desired, findings
from tierwise_core.architectures import metadata_from_config
from tierwise_core.lora import AdapterFacts
from tierwise_core.model_metadata import AdapterLimits, ModelMetadata
from tierwise_core.parameters import linears
from tierwise_core.specialist import ReadingFailed, ReadingPending

GOOD = AdapterFacts(8, ("q_proj", "v_proj"), "sorter")
A = ("a", "file:///models/adapters/a")
B = ("b", "file:///models/adapters/b")
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "tie_word_embeddings": True,
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 99,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
}


def base() -> ModelMetadata:
    found = metadata_from_config(LLAMA, 336_064, 166_528, {"BF16": 166_528})
    return replace(found, linears=linears(LLAMA))


def found(
    *readings: AdapterReading, metadata: ModelMetadata | None = None, **changes: Any
) -> tuple[Finding, ...]:
    """What is found of adapters a and b, whose files say the given."""
    adapters = [A, B][: len(readings)]
    specialist = a_specialist(adapters=adapters, **changes)
    by_source = {source: read for (_, source), read in zip(adapters, readings, strict=True)}
    return findings(specialist, by_source, metadata)


def said(one: Finding) -> str:
    assert one.trouble is not None
    return one.trouble.message


def test_a_good_adapter_may_be_loaded_from_where_the_pod_has_it() -> None:
    (one,) = found(GOOD, metadata=base())
    assert one.loadable
    assert (one.served, one.path, one.rank) == ("sorter:a", "/models/adapters/a", 8)


def test_a_rank_over_the_limit_names_field_value_and_remedy() -> None:
    first, second = found(GOOD, replace(GOOD, rank=64))
    assert first.loadable
    assert said(second).startswith("spec.model.adapters[1].source: 'b' has rank 64")
    assert "maxRank is 16; set maxRank to 64" in said(second)
    assert second.trouble
    assert second.trouble.reason == "InvalidAdapter"


def test_the_remedy_is_a_limit_that_the_engine_knows() -> None:
    (one,) = found(replace(GOOD, rank=24))
    assert "set maxRank to 32" in said(one)


def test_a_higher_limit_lets_it_in() -> None:
    (one,) = found(replace(GOOD, rank=64), adapter_limits=AdapterLimits(max_rank=64))
    assert one.loadable


def test_an_adapter_of_another_width_is_refused() -> None:
    (one,) = found(replace(GOOD, widths=(("q_proj", 128, 128),)), metadata=base())
    assert "expects q_proj of 128 x 128, that of LlamaForCausalLM is 64 x 64" in said(one)


def test_an_adapter_of_layers_that_the_base_lacks_is_refused() -> None:
    (one,) = found(replace(GOOD, target_modules=("c_attn",)), metadata=base())
    assert "changes c_attn, which LlamaForCausalLM does not have" in said(one)


@pytest.mark.parametrize(
    ("trained_on", "source", "fits"),
    [
        ("sorter", "file:///models/sorter", True),
        ("/home/bob/models/Sorter/", "file:///models/sorter", True),
        ("reverser", "file:///models/sorter", False),
        ("Qwen/Qwen3-8B", "hf://qwen/Qwen3-8B-AWQ", True),
        ("Qwen/Qwen3-8B", "hf://acme/qwen3-8b-gptq-int4", True),
        ("Qwen/Qwen3-8B", "hf://meta-llama/Llama-3.1-8B", False),
        ("Qwen/Qwen3-8B", "file:///models/base", True),  # a copy under any name
        ("./checkpoints/7", "hf://Qwen/Qwen3-8B", True),  # likewise
        ("", "file:///models/sorter", True),
    ],
)
def test_the_base_that_an_adapter_names_must_be_this_one(
    trained_on: str, source: str, *, fits: bool
) -> None:
    (one,) = found(replace(GOOD, base_model=trained_on), source=source)
    assert one.loadable is fits
    if not fits:
        assert said(one).startswith(
            f"spec.model.adapters[0].source: 'a' was trained on {trained_on}"
        )
        assert source in said(one)


def test_files_that_are_missing_are_told_in_the_adapters_own_field() -> None:
    missing = ReadingFailed("SourceNotFound", "spec.model.source: there is no directory /x here")
    one, other = found(missing, GOOD)
    assert said(one) == "spec.model.adapters[0].source: there is no directory /x here"
    assert other.loadable


def test_what_cannot_be_read_from_here_is_left_to_the_engine() -> None:
    (one,) = found(ReadingFailed("UnsupportedSource", "read by pods alone"))
    assert one.loadable
    assert one.rank is None


def test_nothing_is_loaded_before_it_was_looked_at() -> None:
    (one,) = found(ReadingPending())
    assert one.pending
    assert not one.loadable


def test_an_adapter_that_has_to_be_fetched_is_refused_where_nothing_can_be() -> None:
    specialist = a_specialist(adapters=[("a", "s3://bucket/a"), B])
    readings: dict[str, AdapterReading] = {"s3://bucket/a": GOOD, B[1]: GOOD}
    one, other = findings(specialist, readings, SMALL, fetches=False)
    assert said(one).startswith("spec.model.adapters[0].source: s3://bucket/a has to be fetched")
    assert "weights.image" in said(one)
    assert other.loadable


def test_what_has_to_be_fetched_says_from_where() -> None:
    specialist = a_specialist(adapters=[("a", "s3://bucket/a"), B])
    readings: dict[str, AdapterReading] = {"s3://bucket/a": GOOD, B[1]: GOOD}
    wish = desired(specialist, findings(specialist, readings, None))
    assert [one.source for one in wish.wanted] == ["s3://bucket/a", ""]


def test_a_name_of_the_spec_is_kept_whatever_is_wrong_with_it() -> None:
    specialist = a_specialist(adapters=[A, B])
    bad = replace(GOOD, rank=64)
    wish = desired(specialist, findings(specialist, {A[1]: bad, B[1]: GOOD}, None))
    assert wish.prefix == "sorter:"
    assert [one.served for one in wish.wanted] == ["sorter:b"]
    assert wish.kept == {"sorter:a"}


def test_a_specialist_without_adapters_has_nothing_to_check() -> None:
    assert findings(a_specialist(), {}, SMALL) == ()
