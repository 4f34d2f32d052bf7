"""One request of a client, read once: what it asks of whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tierwise_core.route_table import Route, WhenAsleep
from tierwise_core.tenant import ANYBODY, Admitted
from tierwise_router.budget import RequestBudget
from tierwise_router.errors import RequestError
from tierwise_router.forms import Form, boundary_of, read_form
from tierwise_router.json_body import read_object, write_again, wrong_field
from tierwise_router.upstream.response import Headers
from tierwise_router.wake import Progress

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "RESPONSES",
    "Call",
    "forwarded_headers",
    "read_call",
    "when_asleep",
]

CHAT = "/chat/completions"
COMPLETIONS = "/completions"
RESPONSES = "/responses"
SHOWN_CHARACTERS = 60
WHEN_ASLEEP = b"x-tierwise-when-asleep"
ROUTER_HOP = b"x-tierwise-hop"
TRUE_WORDS = frozenset({"true", "1", "on", "yes"})

# What belongs to the client's connection to us, what we set ourselves, and credentials: the
# client's key is for us, and must never reach a pod or somebody else's provider.
NOT_FORWARDED = frozenset(
    {
        b"accept-encoding", b"authorization", b"connection", b"content-length", b"cookie",
        b"expect", b"host", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"x-api-key", b"x-request-id",
        b"x-tierwise-hop", b"x-tierwise-user", b"x-tierwise-when-asleep", b"x-tierwise-workload",
    }
)  # fmt: skip

PLAIN_CONNECTION = frozenset({b"keep-alive", b"close", b"Keep-Alive", b"Close"})


@dataclass(slots=True)
class Call:
    """A request to ``endpoint``, one of those of :mod:`tierwise_router.surface`.

    ``body`` are the client's own bytes and ``fields`` what they say. ``session`` is what keeps
    related requests on one pod, empty when the client names nothing. ``when_asleep`` is the
    client's wish about Specialists that sleep, and ``progress`` tells it that it waits for one.
    ``budget`` is what may be spent on it, None where nobody has opened an account. ``side`` is set
    for a rollout's shadow: that side alone answers it.
    """

    endpoint: str
    body: bytes
    fields: dict[str, Any]
    model: str
    stream: bool
    session: bytes
    headers: Headers
    when_asleep: WhenAsleep | None = None
    progress: Progress | None = None
    budget: RequestBudget | None = None
    admitted: Admitted = ANYBODY
    form: Form | None = None
    side: str = ""

    @property
    def user(self) -> bytes:
        """Whom it is for, as the body says; empty where it does not."""
        user = self.fields.get("user")
        return user.encode() if isinstance(user, str) else b""

    def body_for(self, route: Route) -> bytes:
        """Give the body to send: the client's own bytes, unless the upstream has another name.

        Our own pods answer to the short and to the full name.
        """
        if self.model == route.upstream_model or (not route.external and self.model == route.key):
            return self.body
        if self.form is not None:
            return self.form.with_value("model", route.upstream_model)
        return write_again({**self.fields, "model": route.upstream_model})


def read_call(
    endpoint: str, headers: Headers, body: bytes, request_id: bytes, content_type: bytes = b""
) -> Call:
    """Read a request; raises RequestError naming the field that is wrong.

    Only what routing needs is looked at: the engine judges the rest, and knows more of it.

    >>> read_call(CHAT, [], b'{"model": "sorter", "messages": []}', b"r-1")
    Traceback (most recent call last):
        ...
    tierwise_router.errors.RequestError: 'messages' is []; give a list with at least one message
    """
    boundary = boundary_of(content_type) if content_type else b""
    form = read_form(body, boundary) if boundary else None
    fields = read_object(body) if form is None else form.fields
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise wrong_field(fields, "model", "give 'auto' or a name that GET /v1/models lists")
    stream = fields.get("stream")
    if form is not None:
        stream = str(stream).lower() in TRUE_WORDS
    elif not isinstance(stream, bool | None):
        raise wrong_field(fields, "stream", "give true or false")
    if endpoint == CHAT:
        messages = fields.get("messages")
        if not isinstance(messages, list) or not messages:
            raise wrong_field(fields, "messages", "give a list with at least one message")
    elif endpoint == COMPLETIONS and not isinstance(fields.get("prompt"), str | list | None):
        raise wrong_field(fields, "prompt", "give a string or a list")
    return Call(
        endpoint, body, fields, model, bool(stream), _session(headers, fields),
        forwarded_headers(headers, request_id), when_asleep(headers), form=form,
    )  # fmt: skip


def when_asleep(headers: Headers) -> WhenAsleep | None:
    """Read the header ``x-tierwise-when-asleep``; raises RequestError for another word.

    >>> when_asleep([(b"x-tierwise-when-asleep", b"escalate")])
    'Escalate'
    """
    for name, value in headers:
        if name == WHEN_ASLEEP:
            word = value.decode("latin-1").strip().capitalize()
            if word in {"Hold", "Escalate"}:
                return "Hold" if word == "Hold" else "Escalate"
            raise RequestError(
                f"the header x-tierwise-when-asleep is {word[:SHOWN_CHARACTERS]!r}; give 'hold' "
                "or 'escalate', or leave it out",
                param="x-tierwise-when-asleep",
                code="invalid_header",
            )
    return None


def forwarded_headers(headers: Headers, request_id: bytes) -> Headers:
    """Choose the client's headers that the upstream gets.

    >>> forwarded_headers([(b"authorization", b"Bearer k"), (b"x-team", b"a")], b"r-1")
    [(b'x-team', b'a'), (b'x-tierwise-hop', b'1'), (b'x-request-id', b'r-1')]

    What ``connection`` names ends here as well:

    >>> forwarded_headers([(b"connection", b"close, X-Hop"), (b"x-hop", b"1")], b"r-1")
    [(b'x-tierwise-hop', b'1'), (b'x-request-id', b'r-1')]

    Another router that gets it counts on, so that a request cannot go in circles:

    >>> forwarded_headers([(b"x-tierwise-hop", b"1")], b"r-1")
    [(b'x-tierwise-hop', b'2'), (b'x-request-id', b'r-1')]
    """
    kept = [pair for pair in headers if pair[0] not in NOT_FORWARDED]
    hop = (ROUTER_HOP, b"1")
    for name, value in headers:
        if name == b"connection" and value not in PLAIN_CONNECTION:
            named = {word.strip().lower() for word in value.split(b",")}
            kept = [pair for pair in kept if pair[0] not in named]
        elif name == ROUTER_HOP and value.isdigit() and len(value) < len(b"1000"):
            hop = (ROUTER_HOP, b"%d" % (int(value) + 1))
    kept.append(hop)
    kept.append((b"x-request-id", request_id))
    return kept


def _session(headers: Headers, fields: dict[str, Any]) -> bytes:
    for name, value in headers:
        if name == b"x-session-id":
            return value
    user = fields.get("user")
    return user.encode() if isinstance(user, str) else b""
