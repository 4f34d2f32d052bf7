"""What a request says of its caller: the key that names a tenant, and how urgent it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tierwise_core.latency_class import LATENCY_CLASSES, REALTIME, LatencyClass
from tierwise_core.tenant import Admitted
from tierwise_router.errors import RequestError

__all__ = ["CLASS_HEADER", "KEPT_CLASSES", "unknown_key", "urgent"]

CLASS_HEADER: Final = b"x-tierwise-latency-class"
KEPT_CLASSES: Final = frozenset({"async", "background"})
"""Who sends one of these does not wait for the answer: it is kept, and fetched later."""
CLASSES: Final[Mapping[bytes, LatencyClass]] = {name.encode(): name for name in LATENCY_CLASSES}
CHALLENGE: Final = (b"www-authenticate", b"Bearer")


def urgent(admitted: Admitted, latency_class: bytes) -> Admitted:
    """Take in the class that a header names; raises RequestError (400) for another word."""
    named = CLASSES.get(latency_class)
    if named is None:
        raise RequestError(
            f"the header x-tierwise-latency-class is {latency_class[:40].decode('latin-1')!r}; "
            f"give one of {', '.join(LATENCY_CLASSES)}, or leave it out",
            param="x-tierwise-latency-class",
            code="invalid_header",
        )
    return admitted if named == REALTIME else Admitted(admitted.tenant, named)


def unknown_key(what: str) -> RequestError:
    """Make the 401 of a request whose tenant nobody knows."""
    return RequestError(
        f"{what}; send `authorization: Bearer KEY` with a key whose SHA-256 a Tenant lists in "
        "spec.keys",
        status=401,
        code="invalid_api_key",
        headers=(CHALLENGE,),
    )
