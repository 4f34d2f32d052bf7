"""Running commands: quietly, with their last words in the error."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import CommandError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end and return its standard output.

    `env` is added to this process's environment. Raises CommandError with what the command
    wrote when its status is not 0, or when there is no such command.
    """
    words = [str(word) for word in argv]
    done = _spawn(words, stdin, env, cwd)
    if done.returncode != 0:
        raise CommandError(words, done.returncode, done.stderr or done.stdout)
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether a command exits with status 0."""
    return _spawn([str(word) for word in argv], None, None, None).returncode == 0


def stream(
    argv: Sequence[str | Path],
    line_seen: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command and hand every line that it writes to `line_seen` as it comes."""
    words = [str(word) for word in argv]
    lines: list[str] = []
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(env or {})},
        cwd=cwd,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            line_seen(line.rstrip())
    if process.returncode != 0:
        raise CommandError(words, process.returncode, "".join(lines[-40:]))


def _spawn(
    words: list[str], stdin: str | None, env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise CommandError(words, 127, f"{words[0]}: no such command") from error
