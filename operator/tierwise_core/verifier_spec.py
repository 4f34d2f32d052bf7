"""Verifiers as a platform team describes them: a name, a kind, and what that kind needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

__all__ = ["BUILT_IN", "VerifierKind", "VerifierSpec", "resolve_verifiers"]

VerifierKind = Literal[
    "non-empty", "json", "json-schema", "numeric", "finished", "length", "regex", "http",
    "llm-judge",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifierSpec:
    """One verifier.

    ``trust`` is the probability, above 0.5, that an answer is right to which it says yes: it says
    how far that raises the confidence. A no refuses the answer. ``on_failure`` is what counts when
    it cannot give a word (a server is away): by default the answer is not accepted. ``pattern``
    belongs to regex, ``schema`` (JSON text) to json-schema, the characters to length, ``url`` to
    http, ``specialist`` (its full name) and ``instruction`` to llm-judge; ``timeout_s`` bounds both
    of the last.
    """

    name: str
    kind: VerifierKind
    trust: float = 0.95
    on_failure: Literal["Reject", "Ignore"] = "Reject"
    pattern: str = ""
    schema: str = ""
    min_characters: int = 0
    max_characters: int | None = None
    url: str = ""
    specialist: str = ""
    instruction: str = ""
    timeout_s: float = 5.0

    @property
    def calls(self) -> bool:
        """Tell whether it asks somebody over the network."""
        return self.kind in {"http", "llm-judge"}


BUILT_IN: Final[Mapping[str, VerifierSpec]] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            VerifierSpec("non-empty", "non-empty"),
            VerifierSpec("json", "json"),
            VerifierSpec("json-schema", "json-schema"),
            VerifierSpec("numeric", "numeric"),
            VerifierSpec("finished", "finished"),
        )
    }
)
"""The verifiers that need no settings; a policy may give one of these names another meaning."""


def resolve_verifiers(
    names: Iterable[str], described: Iterable[VerifierSpec]
) -> tuple[tuple[VerifierSpec, ...], tuple[str, ...]]:
    """Find the verifiers of some names; those that nobody has described come second.

    >>> found, unknown = resolve_verifiers(["json", "magic"], [])
    >>> [spec.kind for spec in found], unknown
    (['json'], ('magic',))
    """
    known = {**BUILT_IN, **{spec.name: spec for spec in described}}
    wanted = tuple(names)
    found = tuple(known[name] for name in wanted if name in known)
    return found, tuple(name for name in wanted if name not in known)
