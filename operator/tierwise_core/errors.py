"""Every error tierwise raises on purpose, in one tree.

::

    TierwiseError
    ├── SourceError                  the model's own files
    │   ├── SourceNotFoundError      they are not there
    │   ├── SourceUnreadableError    they are there and cannot be read, or make no sense
    │   │   └── UnauthorizedError    the credentials are missing, wrong, or may not read them
    │   └── UnsupportedSourceError   we cannot read metadata from this kind of source
    ├── SizingError                  how much GPU memory a model needs
    │   ├── UnknownArchitectureError the config does not say it, and no override does
    │   ├── InvalidSizeError         an override or the demand contradicts itself or the files
    │   ├── TensorParallelError      the model cannot be cut over that many GPUs
    │   ├── InvalidAdapterError      a LoRA adapter that the engine cannot load beside its base
    │   └── UnknownQuantizationError the engine does not know how the weights are quantized
    ├── PlacementError               which tier a model runs on
    │   ├── UnknownTierError         a name that no GPUTier has
    │   ├── NoTierFitsError          no tier could ever hold it
    │   ├── NoCapacityError          a tier could, and none has free GPUs
    │   ├── InvalidPlacementError    the request or the tiers contradict themselves
    │   └── WhatIfError              a what-if that cannot be read, or that the fleet cannot follow
    ├── EconomicsError               figures that a calculation cannot be made of
    └── RouteError                   which Specialist answers a request
        ├── UnknownModelError        a model name nobody serves
        ├── AmbiguousModelError      a name that several namespaces have
        ├── NoEndpointError          the Specialist has no pod that could answer
        └── UnreadableRoutesError    a file with resources is no YAML

Each carries ``reason``, the CamelCase word a condition shows, and ``retryable``: whether the same
call may succeed later although nobody changed the spec. The operator maps ``retryable`` to a
resync with back-off, the router maps the class to an HTTP status; nothing else looks at either.

A message names the field, the value and what would be right, because it is all that a person sees.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AmbiguousModelError",
    "EconomicsError",
    "InvalidAdapterError",
    "InvalidPlacementError",
    "InvalidSizeError",
    "NoCapacityError",
    "NoEndpointError",
    "NoTierFitsError",
    "PlacementError",
    "RouteError",
    "SizingError",
    "SourceError",
    "SourceNotFoundError",
    "SourceUnreadableError",
    "TensorParallelError",
    "TierwiseError",
    "UnauthorizedError",
    "UnknownArchitectureError",
    "UnknownModelError",
    "UnknownQuantizationError",
    "UnknownTierError",
    "UnreadableRoutesError",
    "UnsupportedSourceError",
    "WhatIfError",
]


class TierwiseError(Exception):
    """The root of the tree: catch it to catch whatever tierwise itself reports.

    Args:
        message: what is wrong, with the field, the value and what would be right.
        retryable: overrides the class's answer to "may the same call succeed later?".

    >>> error = SourceUnreadableError("the hub answered 503", retryable=True)
    >>> error.reason, error.retryable, str(error)
    ('SourceUnreadable', True, 'the hub answered 503')
    >>> SourceUnreadableError("config.json is not JSON").retryable
    False
    """

    reason: ClassVar[str] = "Error"
    retryable: bool = False

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class SourceError(TierwiseError):
    """The files of ``spec.model.source`` cannot be used."""

    reason = "SourceUnreadable"


class SourceNotFoundError(SourceError):
    """The source, its revision or a file it must have does not exist.

    Retryable: a node path may still be filled and a repository may still be published.
    """

    reason = "SourceNotFound"
    retryable = True


class SourceUnreadableError(SourceError):
    """The source exists and cannot be read: no permission, an outage, a corrupt or truncated file.

    Retryable only where it is raised so: an outage passes, a corrupt file stays corrupt.
    """

    reason = "SourceUnreadable"


class UnauthorizedError(SourceUnreadableError):
    """The source wants credentials, or other ones; the message names the Secret and its keys."""

    reason = "SourceUnauthorized"


class UnsupportedSourceError(SourceError):
    """Metadata cannot be read from this kind of source; the message names the overrides to give."""

    reason = "UnsupportedSource"


class SizingError(TierwiseError):
    """The memory a model needs cannot be computed."""

    reason = "SizingFailed"


class UnknownArchitectureError(SizingError):
    """The config lacks what sizing needs; the message names the overrides that settle it."""

    reason = "UnknownArchitecture"


class InvalidSizeError(SizingError):
    """An override or the demand is impossible: negative, or beyond what the model can do."""

    reason = "InvalidSize"


class TensorParallelError(SizingError):
    """The model cannot be cut over that many GPUs; the message names the sizes that work."""

    reason = "InvalidTensorParallel"


class InvalidAdapterError(SizingError):
    """An adapter of another base, over the rank limit, or with what the engine does not do."""

    reason = "InvalidAdapter"


class UnknownQuantizationError(SizingError):
    """A quantization that the engine does not know; the message names those it does."""

    reason = "UnknownQuantization"


class PlacementError(TierwiseError):
    """No GPU tier was found."""

    reason = "NotPlaced"


class UnknownTierError(PlacementError):
    """``spec.placement.tiers`` names a GPUTier that does not exist."""

    reason = "UnknownTier"
    retryable = True


class NoTierFitsError(PlacementError):
    """No allowed tier has GPUs and nodes large enough, even when all of them are free."""

    reason = "NoTierFits"


class NoCapacityError(PlacementError):
    """A tier is large enough, but none has enough free GPUs now."""

    reason = "NoCapacity"
    retryable = True


class InvalidPlacementError(PlacementError):
    """The input of the solver contradicts itself: two tiers or two requests of one name."""

    reason = "InvalidPlacement"


class WhatIfError(PlacementError):
    """A change to try out cannot be read, or names something that the fleet has not."""

    reason = "InvalidWhatIf"


class EconomicsError(TierwiseError):
    """A field of a calculation is missing, unknown or impossible; one line for each."""

    reason = "InvalidFigures"


class RouteError(TierwiseError):
    """A request cannot be routed."""

    reason = "NotRouted"


class UnknownModelError(RouteError):
    """The request asks for a model that no Specialist serves; the message lists those that are."""

    reason = "UnknownModel"


class AmbiguousModelError(RouteError):
    """Several namespaces have a Specialist of that name; the message lists the full names."""

    reason = "AmbiguousModel"


class NoEndpointError(RouteError):
    """The Specialist exists but has no ready pod."""

    reason = "NoEndpoint"
    retryable = True


class UnreadableRoutesError(RouteError):
    """A file of resources cannot be parsed; the message names the file, the line and the column."""

    reason = "UnreadableRoutes"
