"""Reads what a provider bills from a stream that is passed on by name."""

from __future__ import annotations

from typing import Any

import orjson

from tierwise_core.cost import Usage
from tierwise_core.route_table import Route
from tierwise_router.answers import read_usage
from tierwise_router.asking import wants_usage
from tierwise_router.call import Call
from tierwise_router.dialects import DIALECTS, Dialect
from tierwise_router.events import DONE_DATA, Event, EventReader
from tierwise_router.json_body import write_again

__all__ = ["UsageMeter", "body_with_usage", "meter_for"]


class UsageMeter:
    """Looks for the usage in a stream's events; those of our own wish are taken out again.

    Args:
        dialect: what the endpoint's events look like.
        hide: whether the client did not ask for it, so that it must not see it.
    """

    def __init__(self, dialect: Dialect, *, hide: bool) -> None:
        self._dialect = dialect
        self._reader = EventReader()
        self.hide = hide
        self.usage: Usage | None = None

    def pass_on(self, data: bytes) -> bytes:
        """Take what has arrived, and give what the client gets of it."""
        kept = [self._kept(event) for event in self._reader.feed(data)]
        return b"".join(kept) if self.hide else data

    def _kept(self, event: Event) -> bytes:
        data = event.data
        if b'"usage"' in data and data != DONE_DATA:
            found = self._read(data)
            if found is None:
                return b""
            data = found
        name = b"event: %s\n" % event.name if event.name else b""
        return b"%sdata: %s\n\n" % (name, data.replace(b"\n", b"\ndata: "))

    def _read(self, data: bytes) -> bytes | None:
        """Note the usage of an event; give the event without it, None where nothing else is in."""
        try:
            fields: dict[str, Any] = orjson.loads(data)
            self.usage = read_usage(self._dialect.usage(fields)) or self.usage
            if not self.hide or "usage" not in fields:
                return data
            del fields["usage"]
            return orjson.dumps(fields) if fields.get("choices") else None
        except (orjson.JSONDecodeError, TypeError, AttributeError):
            return data


def meter_for(call: Call, route: Route) -> UsageMeter | None:
    """Make a meter for a stream that is billed by the token; None for others."""
    dialect = DIALECTS.get(call.endpoint)
    if dialect is None or not call.stream or not route.price.output_usd_per_token:
        return None
    return UsageMeter(dialect, hide=dialect.done and not wants_usage(call))


def body_with_usage(call: Call, route: Route) -> bytes:
    """Make the body that asks for the usage as well: without it nobody knows what is billed."""
    options = call.fields.get("stream_options")
    wanted = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    fields = {**call.fields, "model": route.upstream_model, "stream_options": wanted}
    return write_again(fields)
