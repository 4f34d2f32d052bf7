"""The Dockerfiles: locked, small in what they take, never root."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ("operator", "router")


def dockerfile(image: str) -> str:
    return (ROOT / "images" / image / "Dockerfile").read_text()


def instructions(image: str, name: str) -> list[str]:
    """The arguments of every instruction of a name, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", dockerfile(image))
    return re.findall(rf"^{name} (.+)$", joined, re.MULTILINE)


@pytest.mark.parametrize("image", IMAGES)
def test_it_runs_as_a_number_that_is_not_root(image: str) -> None:
    # Kubernetes can only check runAsNonRoot on a number.
    assert instructions(image, "USER") == ["65532:65532"]


@pytest.mark.parametrize("image", IMAGES)
def test_everything_pip_installs_is_hashed_or_ours(image: str) -> None:
    installs = re.findall(r"pip install [^&]+", " && ".join(instructions(image, "RUN")))

    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or "--no-deps --no-build-isolation" in command


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_can_be_chosen_and_is_pinned_by_default(image: str) -> None:
    bases = instructions(image, "ARG BASE=.*") or re.findall(r"ARG BASE=(\S+)", dockerfile(image))
    stages = instructions(image, "FROM")

    assert len(bases) == 1
    assert ":latest" not in dockerfile(image)
    assert all(stage.startswith("${BASE}") for stage in stages)


@pytest.mark.parametrize("image", IMAGES)
def test_what_it_copies_exists_and_reaches_the_builder(image: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    passed = [line[1:] for line in lines if line.startswith("!")]

    for copied in instructions(image, "COPY"):
        if copied.startswith("--from"):
            continue
        for source in copied.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(Path(source).match(pattern) for pattern in passed), source


@pytest.mark.parametrize("image", IMAGES)
def test_it_starts_a_module_of_ours_without_a_shell(image: str) -> None:
    (entry,) = instructions(image, "ENTRYPOINT")
    module = re.fullmatch(r'\["python", "-m", "(\w+)"\]', entry)

    assert module
    assert find_spec(f"{module[1]}.__main__")


@pytest.mark.parametrize("image", IMAGES)
def test_it_tells_what_it_is_in_the_standard_labels(image: str) -> None:
    (labels,) = instructions(image, "LABEL")

    for name in ("title", "description", "licenses", "source", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels


@pytest.mark.parametrize("image", IMAGES)
def test_the_last_stage_takes_no_package_manager_along(image: str) -> None:
    last = dockerfile(image).split("FROM ${BASE}\n")[-1]

    assert "pip install" not in last
    assert "apt" not in last
    assert "pip uninstall" in dockerfile(image)


def test_the_build_tool_is_the_one_pyproject_names() -> None:
    locked = (ROOT / "requirements" / "build.txt").read_text()

    assert re.search(r"^hatchling==1\.\d+", locked, re.MULTILINE)


def options_of(module: str, *command: str) -> str:
    """The help of a program."""
    done = subprocess.run(
        [sys.executable, "-m", module, *command, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "NO_COLOR": "1", "PATH": "/usr/bin:/bin", "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "command", "options"),
    [
        (
            "tierwise_operator",
            "run",
            ("--leader-elect", "--namespace", "--workers", "--resync-seconds", "--log-level"),
        ),
        ("tierwise_router", "", ("--kubernetes", "--namespace")),
    ],
)
def test_the_programs_know_the_options_that_the_chart_passes(
    module: str, command: str, options: tuple[str, ...]
) -> None:
    told = options_of(module, *filter(None, [command]))

    for option in options:
        assert option in told
