"""Where a held-out set lies that is a file of its own: a place that models lie in too, and a file.

::

    hf://datasets/org/name[@revision]/path/questions.jsonl     a dataset of the Hub
    hf://org/name[@revision]/path/questions.jsonl              a file beside a model's
    s3://bucket/path/questions.jsonl
    pvc://claim/path/questions.jsonl
    file:///path/questions.jsonl
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from tierwise_core.errors import UnsupportedSourceError
from tierwise_core.model_source import ModelSource, parse_source

__all__ = ["SET_SOURCE", "SetSource", "parse_set_source"]

SET_SOURCE: Final = (
    r"hf://(datasets/)?[\w.-]+/[\w.-]+(@[\w.%-]+)?(/[\w.-]+)*/[\w.-]+[.]jsonl|"
    r"(s3|pvc)://[\w.-]+(/[^\s/]+)*/[^\s/]+[.]jsonl|"
    r"file:///([^\s/]+/)+[^\s/]+[.]jsonl"
)
"""What a source of a set looks like, for RE2 and Python alike."""

_HUB: Final = re.compile(r"((?:datasets/)?[^/]+/[^/@]+)(?:@([^/]+))?/(.+)")
_DATASETS: Final = "datasets/"


@dataclass(frozen=True, slots=True)
class SetSource:
    """A file: its name below a repository, a directory or a prefix."""

    place: ModelSource
    file: str


def parse_set_source(source: str, revision: str | None = None) -> SetSource:
    """Return the parts of a held-out set's ``source`` and ``revision``.

    Raises:
        UnsupportedSourceError: it is none of the forms above, or the revision is given twice.

    >>> parse_set_source("hf://datasets/acme/probes@v2/en/refusals.jsonl")
    SetSource(place=ModelSource(scheme='hf', location='datasets/acme/probes', revision='v2'), \
file='en/refusals.jsonl')
    >>> parse_set_source("s3://sets/sorting/held-out.jsonl").place.location
    'sets/sorting'
    """
    if not re.fullmatch(SET_SOURCE, source, re.ASCII) or ".." in source.split("/"):
        raise UnsupportedSourceError(
            f'spec.model.source: "{source}" is no file of questions; write '
            "hf://datasets/ORG/NAME/FILE.jsonl, s3://BUCKET/PATH/FILE.jsonl, "
            "pvc://CLAIM/PATH/FILE.jsonl or file:///PATH/FILE.jsonl"
        )
    if source.startswith("hf://"):
        return _on_hub(source, revision)
    place, _, file = source.rpartition("/")
    return SetSource(parse_source(place, revision), file)


def _on_hub(source: str, revision: str | None) -> SetSource:
    found = _HUB.fullmatch(source.removeprefix("hf://"))
    if found is None:
        raise UnsupportedSourceError(f'spec.model.source: "{source}" names no file of a repository')
    repository, inline, file = found.groups()
    name = repository.removeprefix(_DATASETS)
    at = f"@{unquote(inline)}" if inline else ""
    place = parse_source(f"hf://{name}{at}", revision)
    # The Hub has a dataset's files below datasets/, and answers for them as for a model's.
    return SetSource(replace(place, location=repository), file)
