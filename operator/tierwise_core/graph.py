"""The graph of Specialists and the chain of tiers: cycles, and names that lead nowhere."""

from collections.abc import Collection, Iterable, Mapping


def leads_into_cycle(start: str, next_of: Mapping[str, str | None]) -> tuple[str, ...]:
    """Return the path from ``start`` round to the first node met twice, or nothing.

    >>> leads_into_cycle("d", {"a": "b", "b": "a", "d": "a"})
    ('d', 'a', 'b', 'a')
    """
    path = [start]
    current = next_of.get(start)
    while current is not None:
        if current in path:
            return (*path, current)
        path.append(current)
        current = next_of.get(current)
    return ()


def unknown_names(names: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """Return the names that are not known, in their order, each once.

    >>> unknown_names(["h100", "h1000", "h1000"], {"h100"})
    ('h1000',)
    """
    return tuple(dict.fromkeys(name for name in names if name not in known))


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Return names for a message: quoted, sorted, ``none`` when there are none.

    >>> listed(["h100", "a40"])
    "'a40', 'h100'"
    >>> listed([]), listed("abc", 2)
    ('none', "'a', 'b' and 1 more")
    """
    ordered = sorted(names)
    shown = ", ".join(repr(name) for name in ordered[:limit]) or "none"
    return f"{shown} and {len(ordered) - limit} more" if len(ordered) > limit else shown
