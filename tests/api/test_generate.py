"""The command that writes what is generated, and the check that it was run."""

from pathlib import Path

import pytest
import yaml

from tierwise_api.generate import generated_files, main

ROOT = Path(__file__).parents[2]


def test_what_is_committed_is_up_to_date() -> None:
    assert main(["--check", str(ROOT)]) == 0


def test_it_writes_the_crds_twice_and_the_reference(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0

    crds = tmp_path / "crds"
    assert sorted(path.name for path in crds.iterdir()) == [
        "fieldprofiles.yaml",
        "gputiers.yaml",
        "rollouts.yaml",
        "routerpolicies.yaml",
        "specialists.yaml",
        "tenants.yaml",
    ]
    for path in crds.iterdir():
        assert path.read_bytes() == (tmp_path / "charts/tierwise/crds" / path.name).read_bytes()
    assert (tmp_path / "docs/reference/api.md").exists()
    assert main(["--check", str(tmp_path)]) == 0


def test_a_stale_file_is_shown_and_fails_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path)])
    crd = tmp_path / "crds/gputiers.yaml"
    crd.write_text(crd.read_text().replace("plural: gputiers", "plural: gpus"))
    (tmp_path / "docs/reference/api.md").unlink()
    (tmp_path / "crds/gone.yaml").write_text("{}")

    assert main(["--check", str(tmp_path)]) == 1

    told = capsys.readouterr().err
    assert "crds/gputiers.yaml: differs" in told
    assert "-    plural: gpus" in told
    assert "+    plural: gputiers" in told
    assert "docs/reference/api.md: missing" in told
    assert "crds/gone.yaml: no model generates it any more: remove it" in told
    assert "Fix: make generate" in told


def test_generated_yaml_has_no_anchors() -> None:
    for name, text in generated_files().items():
        if name.endswith(".yaml"):
            tokens = list(yaml.scan(text))
            assert not [t for t in tokens if isinstance(t, yaml.AnchorToken | yaml.AliasToken)]
