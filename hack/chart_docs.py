"""Writes the table of values into the chart's README, from its schema and its defaults.

Run it after a change of ``values.schema.json`` or ``values.yaml``::

    python hack/chart_docs.py
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent.parent / "charts" / "tierwise"
BEGIN = "<!-- values: written by hack/chart_docs.py -->\n"
END = "<!-- end of values -->\n"


def leaves(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every value a user can set, as (path, description), in the schema's order.

    >>> inner = {"properties": {"c": {"description": "C."}}}
    >>> list(leaves({"properties": {"b": inner}}))
    [('b.c', 'C.')]
    """
    for name, child in schema["properties"].items():
        here = f"{path}.{name}".lstrip(".")
        if "properties" in child and name != "resources":
            yield from leaves(child, here)
        else:
            yield here, child["description"]


def default_of(values: Mapping[str, Any], path: str) -> str:
    """The default at a dotted path, as JSON on one line.

    >>> default_of({"a": {"b": [1]}}, "a.b")
    '[1]'
    """
    found: Any = values
    for name in path.split("."):
        found = found[name]
    return json.dumps(found)


def table() -> str:
    """The chart's values as a Markdown table."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [
        f"| `{path}` | `{default_of(values, path)}` | {text.replace('|', '&#124;')} |"
        for path, text in leaves(schema)
        if path != "global"
    ]
    return "\n".join(["| value | default | what it does |", "|---|---|---|", *rows]) + "\n"


def with_table(readme: str) -> str:
    """The README with its table of values replaced by the present one."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}{table()}{END}{after}"


def main() -> None:
    """Rewrites the README in place."""
    readme = CHART / "README.md"
    readme.write_text(with_table(readme.read_text()))
    print(f"wrote the table of values into {readme}")


if __name__ == "__main__":
    main()
