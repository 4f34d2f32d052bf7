"""Where a request goes: an endpoint's URL, taken apart once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from tierwise_router.errors import EndpointUrlError

__all__ = ["Target", "parse_target"]

DEFAULT_PORTS = {"http": 80, "https": 443}
DEFAULT_PREFIX = "/v1"


@dataclass(frozen=True, slots=True)
class Target:
    """One endpoint: ``prefix`` is the path before ``/chat/completions``, ``authority`` the Host."""

    url: str
    host: str
    port: int
    tls: bool
    prefix: str
    authority: bytes

    def head(self, path: str) -> bytes:
        r"""Write the head of a POST to a path up to the length of its body, kept for next time.

        >>> parse_target("http://10.1.2.3:8000").head("/completions")
        b'POST /v1/completions HTTP/1.1\r\nhost: 10.1.2.3:8000\r\ncontent-length: '

        A path that begins with two slashes lies beside ``/v1`` and not in it, as vLLM has some:

        >>> parse_target("http://10.1.2.3:8000").head("//tokenize")
        b'POST /tokenize HTTP/1.1\r\nhost: 10.1.2.3:8000\r\ncontent-length: '
        """
        if path.startswith("//"):
            return _head(self.prefix.removesuffix(DEFAULT_PREFIX) + path[1:], self.authority)
        return _head(self.prefix + path, self.authority)


@lru_cache(maxsize=4096)
def _head(path: str, authority: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: %b\r\ncontent-length: " % (path.encode(), authority)


@lru_cache(maxsize=4096)
def parse_target(url: str) -> Target:
    """Take an endpoint's URL apart.

    A path is kept as it is, the way OpenAI's clients treat a base URL; without one it is ``/v1``,
    where vLLM serves.

    >>> parse_target("http://10.1.2.3:8000").prefix
    '/v1'
    >>> parse_target("https://api.example.com/openai/v1/").prefix
    '/openai/v1'
    >>> parse_target("ftp://example.com")
    Traceback (most recent call last):
        ...
    tierwise_router.errors.EndpointUrlError: endpoint 'ftp://example.com' is no http or https URL
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise EndpointUrlError(f"endpoint {url!r} is no http or https URL") from None
    if not parts.hostname:
        raise EndpointUrlError(f"endpoint {url!r} names no host")
    return Target(
        url=url,
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "https",
        prefix=parts.path.rstrip("/") or DEFAULT_PREFIX,
        authority=parts.netloc.rpartition("@")[2].encode(
            "idna" if not parts.netloc.isascii() else "ascii"
        ),
    )
