"""A laptop's routes are the cluster's resources, read from files and read again on a change."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from tierwise_router.sources.files import FileSource, ResourceFileError, read_resources

ONE = """\
apiVersion: tierwise.dev/v1alpha1
kind: Specialist
metadata: {name: sorter, namespace: demo}
spec: {field: sorting, external: {baseURL: "http://127.0.0.1:1/v1", model: m}}
"""
OTHER = ONE.replace("sorter", "adder")
LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: tierwise.dev/v1alpha1
  kind: GPUTier
  metadata: {name: h100}
  spec: {gpu: {product: NVIDIA-H100-80GB-HBM3}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: unrelated}
"""


def names(resources: object) -> list[str]:
    return [item["metadata"]["name"] for item in resources]  # type: ignore[attr-defined]


def test_documents_lists_and_files_are_put_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{ONE}---\n---\n{OTHER}")
    (tmp_path / "b.yaml").write_text(LIST)

    found = read_resources([tmp_path / "a.yaml", tmp_path / "b.yaml"])

    assert names(found) == ["sorter", "adder", "h100"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: [", "is not valid YAML"),
        ("- 1\n- 2\n", "is a list"),
        ("kind: Pod\napiVersion: v1\n", "has no GPUTier and no Specialist"),
        ("", "has no GPUTier and no Specialist"),
    ],
)
def test_a_file_that_is_none_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(text)

    with pytest.raises(ResourceFileError, match=says) as raised:
        read_resources([path])

    assert str(path) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResourceFileError, match=r"nowhere\.yaml: No such file"):
        read_resources([tmp_path / "nowhere.yaml"])


async def test_a_change_is_told_and_a_broken_one_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "routes.yaml"
    path.write_text(ONE)
    async with aclosing(FileSource([path], poll_s=0).snapshots()) as snapshots:
        assert names(await anext(snapshots)) == ["sorter"]
        telling = asyncio.ensure_future(anext(snapshots))

        replace(path, "kind: [")
        await asyncio.sleep(0)
        replace(path, f"{ONE}---\n{OTHER}")

        async with asyncio.timeout(60):
            assert names(await telling) == ["sorter", "adder"]


def replace(path: Path, text: str) -> None:
    """Switch the file at once, the way kubelet and careful editors do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)  # noqa: PTH105 - the very call that is meant
