"""Writes messages of Protocol Buffers; see "Encoding" in its documentation. Enough for what exporters need."""

from __future__ import annotations

from collections.abc import Iterable

from ..varint import varint

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


def _tag(field: int, kind: int) -> bytes:
    return varint(field << 3 | kind)
