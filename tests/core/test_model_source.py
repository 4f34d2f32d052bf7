"""``spec.model.source`` taken apart."""

from __future__ import annotations

import pytest

from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source


@pytest.mark.parametrize(
    ("source", "revision", "parsed"),
    [
        ("hf://Qwen/Qwen3-8B", None, ModelSource("hf", "Qwen/Qwen3-8B", "main")),
        ("hf://gpt2", None, ModelSource("hf", "gpt2", "main")),
        ("hf://org/name@refs/pr/1", None, ModelSource("hf", "org/name", "refs/pr/1")),
        ("hf://org/name", "v2", ModelSource("hf", "org/name", "v2")),
        ("hf://org/name@v2", "v2", ModelSource("hf", "org/name", "v2")),
        ("file:///models/sorter", None, ModelSource("file", "/models/sorter")),
        ("file:///models/sorter/", "main", ModelSource("file", "/models/sorter")),
        ("file://localhost/models/a%20b", None, ModelSource("file", "/models/a b")),
        ("pvc://claim/llama", None, ModelSource("pvc", "claim/llama")),
        ("s3://bucket/a/b/", None, ModelSource("s3", "bucket/a/b")),
        ("oci://reg.example/x:1", None, ModelSource("oci", "reg.example/x:1")),
    ],
)
def test_a_sound_source(source: str, revision: str | None, parsed: ModelSource) -> None:
    assert parse_source(source, revision) == parsed


@pytest.mark.parametrize(
    ("source", "revision", "said"),
    [
        ("", None, "is not a model source"),
        ("org/name", None, "is not a model source; write hf://org/name"),
        ("http://host/x", None, "is not a model source"),
        ("hf://", None, "is not a model source"),
        ("hf://a/b/c", None, "is not a repository"),
        ("hf://../b", None, "is not a repository"),
        ("hf://a/b?x=1", None, "is not a repository"),
        ("hf://a/b@", None, "is not a repository"),
        ("hf://a/b@v1", "v2", 'revision "v1" and spec.model.revision "v2"; keep one'),
        ("hf://a/b", "../../x", "is not a branch, tag or commit"),
        ("file://models/sorter", None, "is not an absolute directory"),
        ("file:///models/../etc", None, "is not an absolute directory"),
        ("file:///models/%2e%2e/etc", None, "is not an absolute directory"),
        ("file:///models/a%00b", None, "is not an absolute directory"),
    ],
)
def test_an_unsound_source_says_how_to_write_it(
    source: str, revision: str | None, said: str
) -> None:
    with pytest.raises(UnsupportedSourceError) as refused:
        parse_source(source, revision)
    assert said in str(refused.value)
    assert str(refused.value).startswith("spec.model.")
