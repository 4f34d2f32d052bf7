"""Patterns: several calls of the router to itself for one request, or beside one.

``answer_pattern`` answers a request whose model names a pattern; ``Shadows`` answers a share of the
traffic a second time. What happens next is decided in the core (``decompose``, ``merge``,
``refine``, ``agreement``); here the calls are made.
"""
