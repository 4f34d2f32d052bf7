"""A real Kubernetes cluster on one machine, without Docker: `python -m localcluster --help`."""

from .standalone import control_plane

__all__ = ["control_plane"]
