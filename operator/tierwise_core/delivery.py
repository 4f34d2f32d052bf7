"""How files that are fetched come to an engine pod: by which image, and into which cache."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["CacheKind", "Delivery"]

CacheKind = Literal["None", "Node", "Claim"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """The operator's settings for fetched models.

    Attributes:
        image: has ``python -m tierwise_operator.weights``; empty where nothing can be fetched.
        pull_policy: of that image.
        cache: where fetched files stay: in the pod alone, on the node, or in a claim.
        cache_path: the directory of the node.
        cache_claim: the PersistentVolumeClaim, in the Specialist's namespace.
        cache_max_bytes: how large the cache may grow; None is as large as the disk.
        run_as_user: who writes to the cache; None is the image's own user.
        s3_endpoint: a store that speaks S3, where it is not Amazon's.
        insecure_registries: OCI registries that are spoken to without TLS.
    """

    image: str = ""
    pull_policy: str = "IfNotPresent"
    cache: CacheKind = "None"
    cache_path: str = ""
    cache_claim: str = ""
    cache_max_bytes: int | None = None
    run_as_user: int | None = None
    s3_endpoint: str | None = None
    insecure_registries: tuple[str, ...] = ()

    @property
    def is_shared(self) -> bool:
        """Whether pods share what they fetched.

        >>> Delivery().is_shared, Delivery(cache="Node").is_shared
        (False, True)
        """
        return self.cache != "None"
