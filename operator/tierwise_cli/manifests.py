"""Reading manifests: files, directories and standard input, as kubectl takes them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tierwise_api import API_VERSION, GROUP
from tierwise_cli.errors import ManifestError
from tierwise_cli.yaml_text import yaml_problem

__all__ = ["Manifest", "Manifests", "read_manifests", "sorted_out"]

Object = Mapping[str, Any]
SUFFIXES = (".yaml", ".yml", ".json")
OURS = ("GPUTier", "Specialist")
OTHERS = ("Node", "Pod", "Deployment")
STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it was written."""

    body: Object
    origin: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name: what makes it the same object as another."""
        metadata = self.body["metadata"]
        return self.body["kind"], metadata.get("namespace", ""), metadata["name"]

    @property
    def from_cluster(self) -> bool:
        """Whether an API server has had it, which has checked it and filled it in."""
        return "uid" in self.body["metadata"] or "resourceVersion" in self.body["metadata"]


@dataclass(frozen=True, slots=True)
class Manifests:
    """The objects that a plan is about, by kind; ``skipped`` counts the others."""

    tiers: tuple[Manifest, ...] = ()
    specialists: tuple[Manifest, ...] = ()
    nodes: tuple[Manifest, ...] = ()
    pods: tuple[Manifest, ...] = ()
    deployments: tuple[Manifest, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def over(self, below: Manifests) -> Manifests:
        """These objects on top of others: what applying them there would give."""
        return Manifests(
            tiers=_over(self.tiers, below.tiers),
            specialists=_over(self.specialists, below.specialists),
            nodes=_over(self.nodes, below.nodes),
            pods=_over(self.pods, below.pods),
            deployments=_over(self.deployments, below.deployments),
            problems=(*below.problems, *self.problems),
        )


def _over(upper: Sequence[Manifest], lower: Sequence[Manifest]) -> tuple[Manifest, ...]:
    kept = {manifest.key: manifest for manifest in lower}
    for manifest in upper:
        known = kept.get(manifest.key)
        kept[manifest.key] = _with_status(manifest, known) if known else manifest
    return tuple(kept.values())


def _with_status(manifest: Manifest, known: Manifest) -> Manifest:
    """A manifest that a person wrote has no status; the object it replaces has one.

    What serves there says nothing of the model that is asked about here.
    """
    if "status" in manifest.body or "status" not in known.body:
        return manifest
    status = {name: value for name, value in known.body["status"].items() if name != "stable"}
    return Manifest({**manifest.body, "status": status}, manifest.origin)


def read_manifests(paths: Iterable[Path], option: str = "-f") -> Manifests:
    """Every object of the files; of a directory, of all YAML and JSON files below it.

    Raises:
        ManifestError: a file is not there, or is no YAML; the message says where.
    """
    found = [manifest for path in paths for manifest in _read(path, option)]
    return sorted_out(found)


def sorted_out(manifests: Iterable[Manifest]) -> Manifests:
    """The objects by kind. One that is written twice counts as it was written last, and is told."""
    by_key: dict[tuple[str, str, str], Manifest] = {}
    problems = []
    for manifest in manifests:
        wrong = _wrong_version(manifest)
        if wrong:
            problems.append(wrong)
            continue
        before = by_key.pop(manifest.key, None)
        if before is not None:
            kind, _, name = manifest.key
            problems.append(
                f"{manifest.origin}: {kind} {name} is in {before.origin} as well; keep one of them"
            )
        by_key[manifest.key] = manifest
    kinds = {kind: [m for m in by_key.values() if m.key[0] == kind] for kind in (*OURS, *OTHERS)}
    return Manifests(
        tuple(kinds["GPUTier"]),
        tuple(kinds["Specialist"]),
        tuple(kinds["Node"]),
        tuple(kinds["Pod"]),
        tuple(kinds["Deployment"]),
        tuple(problems),
    )


def _wrong_version(manifest: Manifest) -> str | None:
    version, kind = str(manifest.body.get("apiVersion", "")), manifest.key[0]
    if kind in OURS and version != API_VERSION:
        return f"{manifest.origin}: {kind} has apiVersion {version!r}; write {API_VERSION}"
    if version.startswith(f"{GROUP}/") and version != API_VERSION:
        return f"{manifest.origin}: {kind} has apiVersion {version!r}; write {API_VERSION}"
    return None


def _read(path: Path, option: str) -> Iterator[Manifest]:
    if path == STDIN:
        yield from _documents(sys.stdin.read(), "standard input")
        return
    if not path.exists():
        raise ManifestError(
            f"{option} {path}: there is no such file or directory",
            fix="name a YAML or JSON file, a directory of such files, or - for standard input",
        )
    for file in _files(path, option):
        yield from _documents(_text(file), str(file))


def _files(path: Path, option: str) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not found:
        raise ManifestError(
            f"{option} {path}: the directory has no {', '.join(SUFFIXES)} file",
            fix="name the directory that has the manifests",
        )
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: cannot be read: {error}") from error


def _documents(text: str, origin: str) -> Iterator[Manifest]:
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        raise ManifestError(f"{origin}: {yaml_problem(error)}") from error
    for document in documents:
        if document is not None:
            yield from _objects(document, origin)


def _objects(document: Any, origin: str) -> Iterator[Manifest]:
    """One object, or those of a List."""
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        raise ManifestError(
            f"{origin}: {str(document)[:60]!r} is no Kubernetes object",
            fix="every document needs apiVersion, kind and metadata.name",
        )
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(_typed(item, document), origin)
        return
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
        raise ManifestError(
            f"{origin}: a {document['kind']} has no metadata.name", fix="give it a name"
        )
    yield Manifest(document, f"{origin}: {document['kind']} {metadata['name']}")


def _typed(item: Any, of_list: Object) -> Any:
    """An item with the kind its list implies: an API server leaves it out of typed lists."""
    kind = of_list["kind"].removesuffix("List")
    if isinstance(item, Mapping) and kind and "kind" not in item:
        return {"apiVersion": of_list.get("apiVersion"), "kind": kind, **item}
    return item


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
