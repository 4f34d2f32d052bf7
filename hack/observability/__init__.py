"""Writes what is generated from the metrics that exist: a table of them, dashboards and alerts."""
