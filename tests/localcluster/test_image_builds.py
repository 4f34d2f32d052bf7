"""Image builds reach the registries this machine reaches, and bake nothing of it in."""

from pathlib import Path

import pytest

from localcluster import buildah

SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT")


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pip.conf").write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))


def test_pip_settings_of_the_environment_become_build_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    words = list(buildah._pip_arguments())
    assert words[:2] == ["--build-arg", "PIP_INDEX_URL=https://mirror.example/simple"]


def test_pip_settings_of_a_file_count_as_well(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nextra-index-url = https://mine.example/\n")
    assert "PIP_EXTRA_INDEX_URL=https://mine.example/" in list(buildah._pip_arguments())


def test_the_environment_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://file.example/\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/")
    assert buildah._pip_setting("index-url") == "https://environment.example/"


def test_a_certificate_pip_is_told_of_is_mounted_where_it_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "proxy.pem"
    bundle.touch()
    monkeypatch.setenv("PIP_CERT", str(bundle))
    assert f"{bundle}:{bundle}:ro" in list(buildah._trust_volumes())


def test_a_certificate_that_does_not_exist_is_not_mounted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "gone.pem"))
    assert not any("gone.pem" in word for word in buildah._trust_volumes())


@pytest.mark.parametrize(
    ("listed", "want"),
    [
        ("bookworm main mirror:/debian/\nbookworm-security main mirror:/security/\n", "found"),
        ("noble main mirror:/ubuntu/\n", "left to debootstrap"),
        ("bookworm contrib mirror:/debian/\n", "left to debootstrap"),
    ],
)
def test_the_base_comes_from_where_apt_fetches_that_suite(
    monkeypatch: pytest.MonkeyPatch, listed: str, want: str
) -> None:
    monkeypatch.setattr(buildah, "run", lambda *_words: listed)
    assert buildah._mirror() == (("mirror:/debian/",) if want == "found" else ())
