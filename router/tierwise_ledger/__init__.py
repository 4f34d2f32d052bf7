"""The ledger: what happened, what it cost, and what may be learned from it."""
