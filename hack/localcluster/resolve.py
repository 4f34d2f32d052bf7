"""One question to a DNS server, to see that it answers."""

import socket
import struct
from ipaddress import IPv4Address

_HEADER = ">HHHHHH"
_QUERY_ID = 0x7477
_RECURSION_DESIRED = 0x0100
_TYPE_A, _CLASS_IN = 1, 1
_PORT = 53


def question(name: str) -> bytes:
    r"""A query for a name's IPv4 address, as RFC 1035 has it on the wire.

    >>> question("a.bc")[12:]
    b'\x01a\x02bc\x00\x00\x01\x00\x01'
    """
    header = struct.pack(_HEADER, _QUERY_ID, _RECURSION_DESIRED, 1, 0, 0, 0)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return header + labels + b"\0" + struct.pack(">HH", _TYPE_A, _CLASS_IN)


def address_in(answer: bytes) -> IPv4Address | None:
    """The address at the end of an answer with at least one record, else None."""
    _, _, _, records, _, _ = struct.unpack_from(_HEADER, answer)
    return IPv4Address(answer[-4:]) if records else None


def resolve(name: str, server: IPv4Address, *, seconds: float = 2.0) -> IPv4Address | None:
    """Ask a server for a name's address; None when it is silent or knows none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(seconds)
        try:
            link.sendto(question(name), (str(server), _PORT))
            return address_in(link.recv(512))
        except OSError:
            return None
