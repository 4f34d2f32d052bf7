"""Which Specialist answered a session last: for as many sessions as fit."""

from __future__ import annotations

from typing import Final

__all__ = ["SessionHomes"]

MOST: Final = 20_000


class SessionHomes(dict[bytes, str]):
    """Full names by session; past a bound the one that was noted longest ago is forgotten.

    >>> homes = SessionHomes(most=2)
    >>> for session in (b"a", b"b", b"a", b"c"):
    ...     homes.note(session, "demo/sorter")
    >>> sorted(homes)
    [b'a', b'c']
    """

    def __init__(self, most: int = MOST) -> None:
        super().__init__()
        self._most = most

    def note(self, session: bytes, specialist: str) -> None:
        """Note who answered."""
        self.pop(session, None)
        self[session] = specialist
        if len(self) > self._most:
            del self[next(iter(self))]
