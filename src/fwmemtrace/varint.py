"""Numbers of variable length (LEB128), as Protocol Buffers and memray's captures have them."""

from __future__ import annotations


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
