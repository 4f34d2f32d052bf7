"""The store of built images keeps what the next build uses, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from localcluster import buildah, images
from localcluster.errors import CommandError

DOCKERFILE = "FROM ${BASE} AS dependencies\nRUN pip\nFROM ${BASE} AS package\nFROM ${BASE}\n"
OPERATOR = images.BuiltImage("operator", "localhost/operator:dev", "4f5e6d7c8b9a0123")


@dataclass
class Buildah:
    """Notes what it is asked for, without the paths of its store, and does none of it."""

    asked: list[str] = field(default_factory=list)
    fails_at: str = "nothing"

    def run(self, argv: Sequence[str | Path]) -> str:
        words = [str(word) for word in argv][5:]
        self.asked.append(" ".join(words))
        if self.fails_at == words[0]:
            raise CommandError(words, 125, "no space left on device")
        if words[0] == "push":
            Path(words[-1].split(":")[1]).write_text("layers")
        return "4f5e6d\n"

    def stream(self, argv: Sequence[str | Path], _line_seen: object) -> None:
        self.run(argv)

    def succeeds(self, argv: Sequence[str | Path]) -> bool:
        return bool(self.run(argv))

    def of(self, word: str) -> list[str]:
        return [line for line in self.asked if line.startswith(word)]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Buildah:
    monkeypatch.setenv("TIERWISE_CACHE", str(tmp_path / "cache"))
    dockerfile = tmp_path / "images" / "operator" / "Dockerfile"
    dockerfile.parent.mkdir(parents=True)
    dockerfile.write_text(DOCKERFILE)
    monkeypatch.setattr(buildah, "REPOSITORY", tmp_path)
    made = Buildah()
    for name in ("run", "stream", "succeeds"):
        monkeypatch.setattr(buildah, name, getattr(made, name))
    return made


def tags(scripted: Buildah) -> list[str]:
    return [line.split("--tag ")[1].split()[0] for line in scripted.of("bud")]


def test_every_stage_has_a_name_before_images_without_one_go(scripted: Buildah) -> None:
    assert buildah.build("operator", "localhost/operator:dev") == "4f5e6d"
    of_stages = [f"localhost/operator:dev-{stage}" for stage in ("dependencies", "package")]
    assert tags(scripted) == [*of_stages, "localhost/operator:dev"]
    assert "--target package --tag" in scripted.of("bud")[1]
    last_build = scripted.asked.index(scripted.of("bud")[-1])
    assert scripted.asked.index("rmi --prune") > last_build


def test_what_killed_builds_left_goes_before_anything_is_made(scripted: Buildah) -> None:
    half_made = buildah._store() / "base-x1y2" / "root"
    half_made.mkdir(parents=True)
    (buildah._store() / "overlay").mkdir()
    buildah.build("operator", "localhost/operator:dev")
    assert scripted.asked[0] == "rm --all"
    assert [left.name for left in buildah._store().iterdir()] == ["overlay"]


def test_a_build_that_fails_removes_no_image(scripted: Buildah) -> None:
    scripted.fails_at = "bud"
    with pytest.raises(CommandError, match="no space left"):
        buildah.build("operator", "localhost/operator:dev")
    assert scripted.of("rmi") == []


def test_an_export_names_the_very_image_that_was_built(scripted: Buildah) -> None:
    archive = images._exported(OPERATOR)
    written = f"docker-archive:{archive.with_suffix('.new')}:localhost/operator:dev"
    assert scripted.of("push") == [f"push {OPERATOR.digest} {written}"]
    assert archive.read_text() == "layers"


def test_an_export_leaves_neither_older_files_nor_those_of_a_killed_one(scripted: Buildah) -> None:
    folder = images._archives()
    folder.mkdir(parents=True)
    for name in ("operator-0123.tar", "operator-4567.new", "router-89ab.tar"):
        (folder / name).touch()
    images._exported(OPERATOR)
    left = sorted(path.name for path in folder.iterdir())
    assert left == ["operator-4f5e6d7c8b9a.tar", "router-89ab.tar"]
