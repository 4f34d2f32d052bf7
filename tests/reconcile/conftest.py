"""Fixtures of the stories about the operator."""

from stage import stage

__all__ = ["stage"]
