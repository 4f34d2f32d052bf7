"""Validation rules stated once: a CEL expression for the API server, a predicate for Python.

A rule hangs on a type (``Annotated[str, RULE]``) or on a model (``rules: ClassVar``). The generator
writes its CEL side into the CRD, pydantic runs its Python side, and both say the same message, so
that ``kubectl apply`` and ``tierwise serve FILE`` reject the same objects in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

__all__ = ["VALIDATIONS", "Rule", "immutable", "matches", "unique"]

VALIDATIONS = "x-kubernetes-validations"
_SLOT = re.compile(r"\{(self[A-Za-z.]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must hold, for the API server and for Python.

    Args:
        cel: the expression the API server evaluates; ``self`` is the annotated value.
        holds: the same for the validated Python value; None for a rule about a change
            (``oldSelf``), which only a server that stores objects can judge.
        message: what to write instead, beginning with the field's name.
        got: what is there now, with slots such as ``{self.min}``; added to the message.
        at: the field to blame, below ``self``: ``spec.parent``.
    """

    cel: str
    holds: Callable[[Any], bool] | None
    message: str
    got: str = ""
    at: str = ""

    def explain(self, value: Any) -> str:
        """The message for this value, the same text that the API server answers.

        >>> Rule(cel="self > 0", holds=lambda n: n > 0, message="write 1", got="{self}").explain(-1)
        'write 1; got -1'
        """
        if not self.got:
            return self.message
        got = _SLOT.sub(lambda slot: _printed(_follow(value, slot[1])), self.got)
        return f"{self.message}; got {got}"

    def as_validation(self) -> dict[str, str]:
        """The entry of ``x-kubernetes-validations``."""
        entry = {"rule": self.cel, "message": self.message}
        if self.got:
            entry["messageExpression"] = _as_cel(f"{self.message}; got {self.got}")
        if self.at:
            entry["fieldPath"] = f".{self.at}"
        return entry

    def violation(self, value: Any) -> InitErrorDetails | None:
        """The error for a value that breaks the rule, else None."""
        if self.holds is None or self.holds(value):
            return None
        # Braces would be taken for slots of pydantic's own template.
        error = PydanticCustomError("rule", "{message}", {"message": self.explain(value)})
        return InitErrorDetails(
            type=error, loc=tuple(filter(None, self.at.split("."))), input=value
        )

    def _enforce(self, value: Any) -> Any:
        broken = self.violation(value)
        if broken is None:
            return value
        raise PydanticCustomError("rule", "{message}", {"message": self.explain(value)})

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._enforce, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler(schema)
        return written | {VALIDATIONS: [*written.get(VALIDATIONS, ()), self.as_validation()]}


def matches(pattern: str, message: str) -> Rule:
    """The whole string matches a pattern that RE2 and Python read alike."""
    compiled = re.compile(pattern, re.ASCII)
    return Rule(
        cel=f"self.matches({_quoted(f'^(?:{pattern})$')})",
        holds=lambda text: compiled.fullmatch(text) is not None,
        message=message,
        got='"{self}"',
    )


def unique(message: str, key: str = "") -> Rule:
    """No two items of a list are equal, or have the same ``key``."""
    item = f".{key}" if key else ""
    return Rule(
        cel=f"self.all(one, self.exists_one(other, other{item} == one{item}))",
        holds=lambda items: len({getattr(i, key) if key else i for i in items}) == len(items),
        message=message,
    )


def immutable(message: str) -> Rule:
    """The value stays what it was when the object was created."""
    return Rule(cel="self == oldSelf", holds=None, message=message)


def _follow(value: Any, slot: str) -> Any:
    """The value a slot such as ``self.replicas.min`` names, by the names of the wire form."""
    for part in slot.split(".")[1:]:
        value = getattr(value, _attribute(value, part))
    return value


def _attribute(model: BaseModel, wire_name: str) -> str:
    fields = type(model).model_fields.items()
    return next(name for name, field in fields if wire_name in {name, field.alias})


def _printed(value: Any) -> str:
    """A value as CEL's ``string()`` prints it: a whole double has no fraction."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _as_cel(template: str) -> str:
    """A CEL expression for a template.

    ``format`` and not ``+``: the server's cost estimate takes a printed number for a string of
    any length, and refuses to concatenate such a string.

    >>> _as_cel("got {self.min}, not {self.max}")
    "'got %s, not %s'.format([self.min, self.max])"
    """
    slots = _SLOT.findall(template)
    text = _SLOT.sub("%s", template.replace("%", "%%"))
    return f"{_quoted(text)}.format([{', '.join(slots)}])"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
