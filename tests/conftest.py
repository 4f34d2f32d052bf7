"""What every folder of tests may ask for."""

from apiserver import api_server

__all__ = ["api_server"]
