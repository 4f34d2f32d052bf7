"""The options of the operator's command line that are about models' files."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import typer

from tierwise_core.delivery import Delivery
from tierwise_core.quantities import parse_quantity

__all__ = [
    "Cache",
    "InsecureRegistry",
    "S3Endpoint",
    "WeightsCache",
    "WeightsCacheClaim",
    "WeightsCachePath",
    "WeightsImage",
    "WeightsMaxBytes",
    "WeightsPullPolicy",
    "WeightsUser",
    "delivery",
]

_PANEL: Final = "Models' files"


class Cache(StrEnum):
    """Where fetched files stay."""

    NONE = "None"
    NODE = "Node"
    CLAIM = "Claim"


WeightsImage = Annotated[
    str,
    typer.Option(
        envvar="TIERWISE_WEIGHTS_IMAGE",
        help="The image that fetches s3:// and oci:// models, and hf:// ones into a cache, and "
        "that reads pvc:// models: the operator's own. Without it they are refused.",
        rich_help_panel=_PANEL,
    ),
]
WeightsPullPolicy = Annotated[
    str, typer.Option(help="Always, IfNotPresent or Never.", rich_help_panel=_PANEL)
]
WeightsCache = Annotated[
    Cache,
    typer.Option(
        help="Where fetched files stay for other pods: nowhere, on the node, or in a claim.",
        rich_help_panel=_PANEL,
    ),
]
WeightsCachePath = Annotated[
    str, typer.Option(help="The node's directory, for Node.", rich_help_panel=_PANEL)
]
WeightsCacheClaim = Annotated[
    str,
    typer.Option(
        help="The PersistentVolumeClaim in each Specialist's namespace, for Claim.",
        rich_help_panel=_PANEL,
    ),
]
WeightsMaxBytes = Annotated[
    str | None,
    typer.Option(
        help="How large the cache may grow, as 500Gi; by default the disk's size.",
        rich_help_panel=_PANEL,
    ),
]
WeightsUser = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="The user that writes to the cache; by default the image's.",
        rich_help_panel=_PANEL,
    ),
]
S3Endpoint = Annotated[
    str | None,
    typer.Option(
        help="A store that speaks S3, for Secrets that name none; by default Amazon's.",
        rich_help_panel=_PANEL,
    ),
]
InsecureRegistry = Annotated[
    list[str] | None,
    typer.Option(
        help="An OCI registry (host:port) to be spoken to without TLS; repeatable.",
        rich_help_panel=_PANEL,
    ),
]


def delivery(  # noqa: PLR0913 - one parameter per option
    *,
    image: str,
    pull_policy: str,
    cache: Cache,
    path: str,
    claim: str,
    max_bytes: str | None,
    user: int | None,
    s3_endpoint: str | None,
    insecure_registries: list[str] | None,
) -> Delivery:
    """The settings, once they agree.

    Raises:
        typer.BadParameter: they do not; the message says what is missing.
    """
    if cache is Cache.NODE and not path.startswith("/"):
        raise typer.BadParameter(
            f"--weights-cache-path is {path!r}; give an absolute directory of the nodes, such as "
            "/var/lib/tierwise/weights"
        )
    if cache is Cache.CLAIM and not claim:
        raise typer.BadParameter("--weights-cache Claim needs --weights-cache-claim NAME")
    if cache is not Cache.NONE and not image:
        raise typer.BadParameter(f"--weights-cache {cache} needs --weights-image")
    return Delivery(
        image=image,
        pull_policy=pull_policy,
        cache=cache.value,
        cache_path=path,
        cache_claim=claim,
        cache_max_bytes=_bytes(max_bytes),
        run_as_user=user,
        s3_endpoint=s3_endpoint,
        insecure_registries=tuple(insecure_registries or ()),
    )


def _bytes(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return parse_quantity(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"--weights-cache-max-bytes: {error}; write it as 500Gi"
        ) from error
