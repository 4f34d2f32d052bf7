"""Checking signatures of checkpoints (Ed25519): all that it takes is the public key."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tierwise_core.audit_chain import Checkpoint

__all__ = ["signature_problem"]


def signature_problem(
    checkpoint: Checkpoint, keys: Mapping[str, str], *, must_be_signed: bool = False
) -> str:
    """Say what is wrong with a checkpoint's signature; empty where nothing is.

    One that nobody has signed is fine unless it ``must_be_signed``: whoever knows the key knows
    that there is one, and nobody may take the signatures away.

    >>> from tierwise_core.audit_chain import sealed
    >>> checkpoint = sealed("keys", 0, ["ab" * 32], at=5.0)
    >>> signature_problem(checkpoint, {}), signature_problem(checkpoint, {}, must_be_signed=True)
    ('', 'nobody has signed it')
    """
    if not checkpoint.key_id and not checkpoint.signature:
        return "nobody has signed it" if must_be_signed else ""
    key = keys.get(checkpoint.key_id)
    if key is None:
        return f"it was signed by the key {checkpoint.key_id or 'without a name'}, which is unknown"
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(checkpoint.signature), checkpoint.message)
    except (InvalidSignature, ValueError):
        return f"its signature is not by the key {checkpoint.key_id}, or what was signed is changed"
    return ""
