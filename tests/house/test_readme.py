"""The README's commands and manifests are real."""

import re
from pathlib import Path

import yaml

from tierwise_api import Specialist

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_make_target_it_names_exists() -> None:
    named = set(re.findall(r"make ([a-z-]+)", README))

    assert {"up", "test", "down"} <= named
    assert named <= set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))


def test_its_manifests_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)

    assert blocks
    for block in blocks:
        Specialist.model_validate(yaml.safe_load(block))


def test_ci_calls_the_test_command_it_names() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
