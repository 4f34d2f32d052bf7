"""Files that clients upload and that batches write: OpenAI's ``/v1/files``."""

from tierwise_router.files.disk import Disk
from tierwise_router.files.store import FileStore, StoredFile

__all__ = ["Disk", "FileStore", "StoredFile"]
