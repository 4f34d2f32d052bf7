"""The audit of the ledger: what comes in is chained, signed over, and can be shown to others."""
