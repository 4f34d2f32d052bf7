"""Resources out of YAML text, read the way Kubernetes reads them."""

from __future__ import annotations

from typing import Any

import yaml

from tierwise_core.errors import UnreadableRoutesError

__all__ = ["read_documents"]


class _KubernetesLoader(yaml.SafeLoader):
    """Dates stay text, as in JSON; everything else is YAML's safe subset."""


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_documents(text: str, origin: str) -> list[Any]:
    r"""Read the documents of a YAML (or JSON) text; empty ones are left out.

    ``origin`` names the text in the error: a path, say.

    >>> read_documents("kind: A\n---\n---\nkind: B\nday: 2026-01-31\n", "routes.yaml")
    [{'kind': 'A'}, {'kind': 'B', 'day': '2026-01-31'}]
    >>> read_documents("kind: [", "routes.yaml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tierwise_core.errors.UnreadableRoutesError: routes.yaml, line 1, column 8: expected ...
    """
    try:
        documents = list(yaml.load_all(text, Loader=_KubernetesLoader))
    except yaml.YAMLError as error:
        raise UnreadableRoutesError(
            f"{origin}{_place(error)}; write one YAML document per resource, with --- between them"
        ) from None
    return [document for document in documents if document is not None]


def _place(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f", line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return f": {' '.join(str(error).split())}"
