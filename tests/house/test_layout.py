"""`operator/` and `router/` are folders of packages, never packages themselves."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSES = ("operator", "router")


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_holds_packages_only(house: str) -> None:
    loose = [path.name for path in (ROOT / house).iterdir() if path.is_file()]

    assert loose == []


@pytest.mark.parametrize("house", HOUSES)
def test_every_package_of_a_house_is_ours_and_typed(house: str) -> None:
    packages = [path for path in (ROOT / house).iterdir() if path.name != "__pycache__"]

    assert packages
    for package in packages:
        assert package.name.startswith("tierwise_")
        assert (package / "__init__.py").is_file()
        assert (package / "py.typed").is_file()


@pytest.mark.parametrize("where", [".", "operator", "router", "tests"])
def test_the_standard_library_operator_wins_from_every_folder(where: str) -> None:
    """`python -c` puts its folder first on the path, where a shadow would be seen first."""
    code = "import collections, operator; print(operator.__file__)"

    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / where, capture_output=True, text=True, check=True
    )

    assert Path(found.stdout.strip()) == Path(sys.base_prefix) / "lib" / _version() / "operator.py"


def test_no_test_folder_is_named_like_a_house() -> None:
    assert [house for house in HOUSES if (ROOT / "tests" / house / "__init__.py").exists()] == []
    assert not (ROOT / "tests" / "operator").exists()


def _version() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
