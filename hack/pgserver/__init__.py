"""A real PostgreSQL for the tests and benches: its programs, and a server of one's own.

The programs are the system's where it has them. Else Debian's packages are unpacked into the
cache, together with the libraries that are missing: nothing is installed, no service is started,
and no root is needed but for ``apt-get update`` on a machine that never ran it.
"""

from __future__ import annotations

from pgserver.programs import Programs, ensure, fetched
from pgserver.server import Server, serve

__all__ = ["Programs", "Server", "ensure", "fetched", "serve"]
