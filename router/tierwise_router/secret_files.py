"""API keys as files, the way Kubernetes mounts a Secret."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SecretFiles"]


class SecretFiles:
    """API keys as files: ``directory/name/key``.

    Read on each use: a rotated key counts from the next request on, and a read from memory-backed
    files costs microseconds beside a provider's answer.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def __getitem__(self, secret: tuple[str, str]) -> str:
        name, key = secret
        try:
            return (self._directory / name / key).read_text().strip()
        except OSError:
            raise KeyError(secret) from None
