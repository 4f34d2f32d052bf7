"""What can go wrong while a local cluster is made, and what to do about it.

LocalClusterError
├── PreflightError      the machine cannot hold a cluster; nothing was changed
├── InvalidNameError    an instance name that cannot become host names and paths
├── UnknownInstanceError  no instance of that name on this machine
├── CommandError        a command that we ran failed
├── NotReadyError       a component was started and did not become ready
└── LeftoverError       something of a removed instance is still there
"""

from collections.abc import Sequence
from dataclasses import dataclass


class LocalClusterError(Exception):
    """Root of every error a person may see; the message carries the fix."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that stands in the way, and the words that remove it."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}\n     fix: {self.fix}"


class PreflightError(LocalClusterError):
    """The machine lacks something; raised before anything is changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"this machine cannot hold the cluster yet; nothing was changed:\n{lines}")


class InvalidNameError(LocalClusterError):
    """An instance name outside `[a-z][a-z0-9-]{0,19}`."""


class UnknownInstanceError(LocalClusterError):
    """There is no instance of that name."""


class CommandError(LocalClusterError):
    """A command failed; the last lines it wrote are part of the message."""

    def __init__(self, argv: Sequence[str], code: int, output: str) -> None:
        self.argv = tuple(argv)
        self.code = code
        self.output = output
        tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-15:])
        super().__init__(f"`{' '.join(argv)}` failed with status {code}:\n{tail}")


class NotReadyError(LocalClusterError):
    """A component was started and did not become ready in time."""


class LeftoverError(LocalClusterError):
    """Something of a removed instance could not be removed."""
