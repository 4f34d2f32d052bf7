"""Frozen records that are made thousands of times a second.

A frozen dataclass sets each field through ``object.__setattr__``, which makes it three times as
slow to create as a plain one. :func:`frozen` is ``dataclass(frozen=True, slots=True)`` to the type
checker, which refuses every assignment, and a plain slotted dataclass when it runs. For what is
made on every request, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    from dataclasses import dataclass as _dataclass

    def dataclass(*, frozen, slots):  # noqa: ANN001, ANN201, D103 - the type checker's is dataclasses'
        return _dataclass(slots=slots, unsafe_hash=frozen)
