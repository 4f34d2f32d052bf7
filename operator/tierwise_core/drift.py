"""Does a live object still carry what we applied? Told from the object, so a restart knows."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from tierwise_core.strategic_merge import MERGE_KEYS

QUANTITY_FIELDS = frozenset({"requests", "limits", "sizeLimit"})

# Lists of other objects than pod templates that API machinery merges by key.
_KEYS: Mapping[str, str] = {**MERGE_KEYS, "ports": "name"}
_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]?))")
_SCALE = {
    **{f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
    **{unit: Fraction(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{unit: Fraction(1000) ** -power for power, unit in enumerate("mun", 1)},
    "": Fraction(1),
}


def drift(desired: Any, live: Any, path: str = "") -> str | None:
    """Return the first difference in what we set, in words, or None; what others added is theirs.

    >>> drift({"replicas": 1}, {"replicas": 3, "paused": False})
    'replicas is 3, not 1'
    >>> drift({"r": {"limits": {"cpu": "0.5"}}}, {"r": {"limits": {"cpu": "500m"}}}) is None
    True
    >>> drift({"env": [{"name": "A", "value": "1"}]}, {"env": []})
    'env[A] is missing'
    """
    if live is None:
        return f"{path} is missing" if desired else None  # the API server drops empty values
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return _map_drift(desired, live, path)
    if isinstance(desired, Sequence) and not isinstance(desired, str) and isinstance(live, list):
        return _list_drift(desired, live, path)
    same = desired == live or (_is_quantity(path) and _same_quantity(desired, live))
    return None if same else f"{path} is {live!r}, not {desired!r}"


def _map_drift(desired: Mapping[str, Any], live: Mapping[str, Any], path: str) -> str | None:
    found = (drift(value, live.get(key), _join(path, key)) for key, value in desired.items())
    return next((difference for difference in found if difference), None)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _list_drift(desired: Sequence[Any], live: Sequence[Any], path: str) -> str | None:
    key = _KEYS.get(path.rpartition(".")[2], "")
    if key and all(isinstance(item, Mapping) and key in item for item in desired):
        by_key = {item.get(key): item for item in live}
        found = (drift(i, by_key.get(i[key]), f"{path}[{i[key]}]") for i in desired)
    elif len(desired) != len(live):
        return f"{path} has {len(live)} entries, not {len(desired)}"
    else:
        pairs = zip(desired, live, strict=True)
        found = (drift(want, have, f"{path}[{n}]") for n, (want, have) in enumerate(pairs))
    return next((difference for difference in found if difference), None)


def _is_quantity(path: str) -> bool:
    return any(f".{field}" in path for field in QUANTITY_FIELDS)


def _same_quantity(left: Any, right: Any) -> bool:
    values = (_quantity(str(left)), _quantity(str(right)))
    return values[0] is not None and values[0] == values[1]


def _quantity(text: str) -> Fraction | None:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    return Fraction(number + (exponent or "")) * _SCALE[suffix or ""]
