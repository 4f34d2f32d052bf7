"""What the ledger learns from what happened: windows of utility, claims, drift, calibration."""
