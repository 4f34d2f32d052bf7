"""The dispatcher's own HTTP/1.1 server: httptools on asyncio transports, and nothing between.

``connection`` parses what a client sends, ``served`` answers it, ``head`` writes the heads of
answers and reads request targets, and ``server`` keeps the connections, their patience and their
end. What it serves is a callable that takes an :class:`~tierwise_router.exchange.Exchange`.
"""
