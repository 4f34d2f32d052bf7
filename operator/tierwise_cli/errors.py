"""What goes wrong on the way to an answer, each with what to do about it.

::

    CliError
    ├── ClusterError             the Kubernetes cluster
    │   ├── NoClusterError       no kubeconfig, or it makes no sense
    │   ├── UnreachableError     nobody answers at its address
    │   ├── DeniedError          it does not let us read this
    │   ├── AbsentError          it has no such thing
    │   └── ConflictError        it has one of that name, or somebody else changed it
    ├── RouterError              the router: not found, not answering
    │   └── RefusedError         it answered that it cannot answer
    ├── LedgerError              the ledger: not found, not answering, or it says no
    ├── UsageError               an option or argument makes no sense
    └── ManifestError            a file cannot be read, or is no YAML
"""

from tierwise_core.errors import TierwiseError

__all__ = [
    "AbsentError",
    "CliError",
    "ClusterError",
    "ConflictError",
    "DeniedError",
    "LedgerError",
    "ManifestError",
    "NoClusterError",
    "RefusedError",
    "RouterError",
    "UnreachableError",
    "UsageError",
]


class CliError(TierwiseError):
    """A command cannot do what it was asked; ``fix`` says what to do, in words or as a command.

    >>> error = CliError("nobody answers", fix="start it")
    >>> print(error.for_people())
    nobody answers
    Fix: start it
    """

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix

    def for_people(self) -> str:
        """The message and the fix, each on lines of its own."""
        return f"{self}\nFix: {self.fix}" if self.fix else str(self)


class ClusterError(CliError):
    """The cluster cannot be read."""


class NoClusterError(ClusterError):
    """There is no kubeconfig, or it does not say which cluster."""


class UnreachableError(ClusterError):
    """Nobody answers at the cluster's address, or what answers is no API server."""


class DeniedError(ClusterError):
    """The API server does not know us (401) or does not let us do this (403)."""


class AbsentError(ClusterError):
    """The API server has no such object or no such kind (404)."""


class ConflictError(ClusterError):
    """The API server has one of that name already, or another version of it (409)."""


class RouterError(CliError):
    """No router could be asked."""


class RefusedError(RouterError):
    """The router answered with an error; ``kind`` is the error's type, such as abstained."""

    def __init__(self, message: str, *, kind: str, status: int, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.kind = kind
        self.status = status


class LedgerError(CliError):
    """The ledger cannot be found, does not answer, or answers that it cannot."""


class UsageError(CliError):
    """An option or an argument makes no sense; the message names it, its value and what would."""

    exit_code = 2


class ManifestError(CliError):
    """A file of manifests is not there or cannot be parsed; the message says where."""

    exit_code = 2
