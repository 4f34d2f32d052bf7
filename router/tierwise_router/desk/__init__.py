"""The paths behind which work is kept: files, batches, and requests in the background."""

from tierwise_router.desk.desk import Desk

__all__ = ["Desk"]
