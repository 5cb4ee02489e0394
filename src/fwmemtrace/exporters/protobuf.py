"""Writes messages of Protocol Buffers; see "Encoding" in its documentation. Enough for what exporters need."""

from __future__ import annotations

from collections.abc import Iterable

_VARINT, _LENGTH = 0, 2


def integer(field: int, value: int) -> bytes:
    """Return an integer field; nothing for 0, which is the default."""
    return _tag(field, _VARINT) + varint(value) if value else b""


def message(field: int, content: bytes) -> bytes:
    """Return a field with a message, a string in UTF-8 or bytes."""
    return _tag(field, _LENGTH) + varint(len(content)) + content


def packed(field: int, values: Iterable[int]) -> bytes:
    """Return a repeated integer field."""
    return message(field, b"".join(map(varint, values)))


def varint(value: int) -> bytes:
    """Return an integer in as few bytes as it needs; negative ones take ten, as the two's complement of 64 bits.

    >>> varint(300).hex(), varint(-1).hex()
    ('ac02', 'ffffffffffffffffff01')
    """
    value &= 0xFFFF_FFFF_FFFF_FFFF
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _tag(field: int, kind: int) -> bytes:
    return varint(field << 3 | kind)
