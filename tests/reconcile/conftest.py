"""Fixtures of the stories about the operator."""

from apiserver import api_server
from stage import stage

__all__ = ["api_server", "stage"]
