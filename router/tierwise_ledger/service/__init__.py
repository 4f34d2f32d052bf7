"""The ledger over HTTP: one module of routes per area, put together in ``app``."""
