"""Fields of a spec, and the options of a command that set them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tierwise_cli.errors import CliError, UsageError
from tierwise_core.errors import SourceError, TierwiseError

__all__ = ["in_options", "told_in_options"]

_OPTIONS = (
    ("spec.model.maxModelLen", "--context"),
    ("spec.placement.targetConcurrency", "--concurrency"),
    ("spec.placement.tensorParallel", "--tensor-parallel"),
    ("spec.model.size.weights (or .parameters)", "--weights (or --parameters)"),
    ("spec.model.size.kvBytesPerToken", "--kv-bytes-per-token"),
    ("spec.model.size.weights", "--weights"),
    ("spec.model.size.parameters", "--parameters"),
    ("spec.model.size.activation", "--activation"),
    ("spec.model.size.overhead", "--overhead"),
    ("spec.model.kvCacheDtype", "--kv-cache-dtype"),
    ("spec.model.quantization", "--quantization"),
    ("spec.model.revision", "--revision"),
    ("spec.model.source: ", ""),
    ("spec.model.source", "SOURCE"),
    ("; it is tried again", ""),  # only the operator does that
)


def in_options(text: str) -> str:
    """A message of the core, with the option that sets each field here.

    >>> in_options("spec.model.maxModelLen: 9000 is longer than the model's own context")
    "--context: 9000 is longer than the model's own context"
    """
    for field, option in _OPTIONS:
        text = text.replace(field, option)
    return text


@contextmanager
def told_in_options() -> Iterator[None]:
    """Turn the core's errors into those of a command: a bad number is a mistake of the caller."""
    try:
        yield
    except CliError:
        raise
    except SourceError as error:
        raise CliError(in_options(str(error))) from error
    except TierwiseError as error:
        raise UsageError(in_options(str(error))) from error
