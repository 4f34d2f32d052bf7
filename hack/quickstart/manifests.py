"""The quickstart's manifests, made to fit a cluster: where its models are, which engine it runs.

As a program it prints them for kubectl::

    PYTHONPATH=hack python -m quickstart.manifests --models /srv/models --engine engine.json |
        kubectl apply --server-side -f -
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "examples" / "quickstart"
MODELS_ON_NODES = "file:///models/"

Manifest = Mapping[str, Any]


def rendered(models_dir: Path, engine: Manifest | None = None) -> list[Manifest]:
    """Every manifest of the quickstart, tiers first.

    Args:
        models_dir: Absolute path of the models' folder on the nodes.
        engine: What to set in each Specialist's ``spec.engine`` (image, args, env, podTemplate);
            None leaves the engine's defaults.
    """
    files = (MANIFESTS / "tiers.yaml", MANIFESTS / "specialists.yaml")
    return [
        fitted(manifest, models_dir, engine or {})
        for file in files
        for manifest in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


def fitted(manifest: Manifest, models_dir: Path, engine: Manifest) -> Manifest:
    """A Specialist with its model's real path and its engine; anything else as it is.

    >>> sorter = {"kind": "Specialist", "spec": {"model": {"source": "file:///models/sorter"}}}
    >>> fitted(sorter, Path("/srv/m"), {"image": "mine"})["spec"]
    {'model': {'source': 'file:///srv/m/sorter'}, 'engine': {'image': 'mine'}}
    """
    if manifest["kind"] != "Specialist":
        return manifest
    spec = dict(manifest["spec"])
    spec["model"] = {**spec["model"], "source": _moved(spec["model"]["source"], models_dir)}
    if engine:
        spec["engine"] = {**spec.get("engine", {}), **engine}
    return {**manifest, "spec": spec}


def names(manifests: Sequence[Manifest]) -> Iterator[str]:
    """The Specialists' names."""
    return (m["metadata"]["name"] for m in manifests if m["kind"] == "Specialist")


def _moved(source: str, models_dir: Path) -> str:
    name = source.removeprefix(MODELS_ON_NODES)
    return source if name == source else f"file://{models_dir / name}"


def main(
    models: Annotated[
        Path, typer.Option(help="The folder on the nodes that holds the models.")
    ] = Path("/models"),
    engine: Annotated[
        Path | None,
        typer.Option(help="A JSON or YAML file with the spec.engine to use; - reads stdin."),
    ] = None,
) -> None:
    """Print the quickstart's manifests for kubectl apply."""
    text = "" if engine is None else sys.stdin.read() if str(engine) == "-" else engine.read_text()
    manifests = rendered(models.absolute(), yaml.safe_load(text) if text else None)
    print(yaml.safe_dump_all(manifests, sort_keys=False, width=100), end="")


if __name__ == "__main__":
    typer.run(main)
