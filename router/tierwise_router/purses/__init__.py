"""Budgets on the data path: leases in hand, so that no request waits for the ledger."""

from tierwise_router.purses.books import Books
from tierwise_router.purses.desk import LeaseDesk
from tierwise_router.purses.purse import Purse

__all__ = ["Books", "LeaseDesk", "Purse"]
