"""`make up` refuses what cannot work before it makes anything."""

from typer.testing import CliRunner

from quickstart.__main__ import app


def test_values_that_are_not_there_are_told_before_a_cluster_is_made() -> None:
    done = CliRunner().invoke(app, ["up", "--name", "never", "--values", "none.yaml"])

    assert done.exit_code == 2
    assert "'none.yaml' does not exist" in done.output
