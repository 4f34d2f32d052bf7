"""What a call is expected to cost before it is made, from the bytes of its request."""

from __future__ import annotations

import re
from typing import Final

from tierwise_core.money import nano_usd
from tierwise_core.rate_limit import CHARACTERS_PER_TOKEN
from tierwise_core.route_table import Price
from tierwise_core.spending import call_usd

__all__ = ["expected_nano_usd"]

MOST_OUTPUT: Final = re.compile(rb'"max_(?:completion_|output_)?tokens"\s*:\s*(\d{1,9})')


def expected_nano_usd(price: Price, body: bytes) -> int:
    """Expect the price of a call from its body: what a provider would bill at most, as far as seen.

    A quarter of the body's bytes are taken for tokens, and the answer for as long as the client
    allows, 250 tokens where it says nothing; a replica of our own for a second.

    >>> gpt = Price(0.0, 2.5e-6, 10e-6)
    >>> body = b'{"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1000}'
    >>> expected_nano_usd(gpt, body) / 1e9
    0.010045
    >>> expected_nano_usd(Price(usd_per_replica_hour=3.60), body) / 1e9
    0.001
    """
    most = MOST_OUTPUT.search(body)
    tokens = max(1, len(body) // CHARACTERS_PER_TOKEN)
    return nano_usd(call_usd(price, tokens, int(most[1]) if most else 0))
