"""A lean HTTP/1.1 client for the data path: httptools, pooled asyncio transports, no copies.

``target`` says where, ``connection`` speaks the protocol, ``response`` holds one answer, ``pool``
keeps connections warm and ``client`` puts them together.
"""
