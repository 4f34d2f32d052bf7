"""What is wrong with a YAML text, in one line that says where."""

from __future__ import annotations

import yaml

__all__ = ["yaml_problem"]

ONE_DOCUMENT = "expected a single document in the stream"


def yaml_problem(error: yaml.YAMLError) -> str:
    r"""Where a text stops being YAML, and why; or where a second document begins.

    >>> try:
    ...     yaml.safe_load("a: [1")
    ... except yaml.YAMLError as error:
    ...     yaml_problem(error)
    "line 1, column 6: expected ',' or ']', but got '<stream end>'; this is no YAML"
    >>> try:
    ...     yaml.safe_load("a: 1\n---\nb: 2")
    ... except yaml.YAMLError as error:
    ...     yaml_problem(error)
    'line 2, column 1: a second document begins here; give one'
    """
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    if getattr(error, "context", None) == ONE_DOCUMENT:
        return f"{where}a second document begins here; give one"
    return f"{where}{getattr(error, 'problem', None) or error}; this is no YAML"
