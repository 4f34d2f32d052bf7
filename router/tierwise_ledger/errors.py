"""What can go wrong in the ledger.

::

    TierwiseError
    └── LedgerError            the base of all of these
        ├── SettingsError      a setting has a value that cannot be used
        ├── StoreError         the database cannot be opened or written
        │   └── CorruptError   its file is damaged
        ├── RecordError        a row that was sent cannot be understood
        ├── RequestError       a question that cannot be answered as it was put
        ├── NotKnownError      nothing is known by this name
        └── SealError          contents cannot be sealed or opened
"""

from __future__ import annotations

from typing import ClassVar

from tierwise_core.errors import TierwiseError

__all__ = [
    "CorruptError",
    "LedgerError",
    "NotKnownError",
    "RecordError",
    "RequestError",
    "SealError",
    "SettingsError",
    "StoreError",
]


class LedgerError(TierwiseError):
    """Something the ledger cannot do; ``status`` is what HTTP makes of it.

    Args:
        message: names the field, its value, and what would be right.
        field: the field of the request that is wrong, if one is.
    """

    reason = "LedgerFailed"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class SettingsError(LedgerError):
    """A setting has a value that cannot be used; the message names the variable."""

    reason = "InvalidSetting"


class StoreError(LedgerError):
    """The database cannot be opened, read or written at the moment."""

    reason = "StoreUnavailable"
    status = 503


class CorruptError(StoreError):
    """The database's file is damaged."""

    reason = "StoreCorrupt"


class RecordError(LedgerError):
    """A row that was sent cannot be understood."""

    reason = "InvalidRecord"
    status = 400


class RequestError(LedgerError):
    """A question that cannot be answered as it was put."""

    reason = "InvalidRequest"
    status = 400


class NotKnownError(LedgerError):
    """Nothing is known by this name."""

    reason = "NotKnown"
    status = 404


class SealError(LedgerError):
    """Contents cannot be sealed or opened: a key is missing, or they were tampered with."""

    reason = "Sealed"
    status = 409
