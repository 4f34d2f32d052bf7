"""The verifier json-schema: against the schema of a policy, or the one that the request asked for.

A request's schema comes from anybody. So nothing is ever fetched for it, and its regular
expressions are not run: one with a bad temper could hold the whole dispatcher up. The engine, which
generates by the schema, has honoured them already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import orjson
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from tierwise_core.verifier_spec import VerifierSpec
from tierwise_router.verifiers.check import Check, Draft

__all__ = ["check_schema"]

LARGEST_SCHEMA: Final = 100_000
DETAIL: Final = 200


def _not_run(*_: object) -> None:
    """Hold everything for a match."""


WithoutPatterns: Final = extend(
    Draft202012Validator, {"pattern": _not_run, "patternProperties": _not_run}
)


def check_schema(spec: VerifierSpec, draft: Draft) -> Check:
    """Pass an answer that is JSON by its schema; nothing to say where nobody asked for any.

    >>> fields = {"response_format": {"type": "json_schema", "json_schema": {
    ...     "schema": {"type": "object", "required": ["total"]}}}}
    >>> spec = VerifierSpec("json-schema", "json-schema")
    >>> check_schema(spec, Draft('{"total": 3}', fields)).passed
    True
    >>> check_schema(spec, Draft('{"sum": 3}', fields)).detail
    "'total' is a required property"
    >>> check_schema(spec, Draft("hello", {})).passed is None
    True
    """
    schema = orjson.loads(spec.schema) if spec.schema else _asked_for(draft.fields)
    if schema is None:
        return Check(spec.name, passed=None, detail="the request asks for no JSON")
    if draft.calls_tools and not draft.text:
        return Check(spec.name, passed=None, detail="the answer calls a tool")
    try:
        answer = orjson.loads(draft.text)
    except orjson.JSONDecodeError as error:
        return Check.no(spec.name, f"no JSON: {error}")
    return _validated(spec, schema, answer)


def _validated(spec: VerifierSpec, schema: Any, answer: Any) -> Check:
    try:
        validator = _validator(orjson.dumps(schema), bool(spec.schema))
        error: ValidationError | None = next(validator.iter_errors(answer), None)
    except (SchemaError, Unresolvable, RecursionError, ValueError) as problem:
        what = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        return Check.silent(spec.name, f"the schema cannot be used: {what}"[:DETAIL])
    if error is None:
        return Check.yes(spec.name)
    return Check.no(spec.name, error.message[:DETAIL])


@lru_cache(maxsize=256)
def _validator(schema: bytes, trusted: bool) -> Any:  # noqa: FBT001 - a key of the cache
    if len(schema) > LARGEST_SCHEMA:
        raise ValueError(f"it has {len(schema)} bytes; at most {LARGEST_SCHEMA} are looked at")
    found = orjson.loads(schema)
    kind = Draft202012Validator if trusted else WithoutPatterns
    kind.check_schema(found)
    # An empty registry: a reference that leads out of the schema leads nowhere.
    return kind(found, registry=Registry())


def _asked_for(fields: Any) -> Any:
    """Find the schema that a request asks for; an empty one where it wants any JSON object."""
    wanted = fields.get("response_format")
    if isinstance(wanted, dict):
        if wanted.get("type") == "json_object":
            return {"type": "object"}
        described = wanted.get("json_schema")
        if wanted.get("type") == "json_schema" and isinstance(described, dict):
            schema = described.get("schema")
            return schema if isinstance(schema, dict | bool) else None
    guided = fields.get("guided_json")
    return guided if isinstance(guided, dict) else None
