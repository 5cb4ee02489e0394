"""Encodes records as the bytes of a trace file."""

from __future__ import annotations

from zlib import crc32

import msgspec

from ..paths import encodable
from ..records import Record
from .layout import BYTE_ORDER_MARK, FORMAT_VERSION, FRAME_CRC, FRAME_HEAD, HEADER, MAGIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_encode = msgspec.msgpack.Encoder().encode
_pack_head = FRAME_HEAD.pack
_pack_crc = FRAME_CRC.pack


def header(pid: int) -> bytes:
    """Return the first bytes of the trace file of a process."""
    return HEADER.pack(MAGIC, FORMAT_VERSION, BYTE_ORDER_MARK, pid, 0)


def frame(record: Record) -> bytes:
    """Return a record as one whole frame, to be written in one call."""
    try:
        payload = _encode(record)
    except UnicodeEncodeError:
        payload = _encode(_encodable(record))
    body = _pack_head(len(payload), record.kind) + payload
    return body + _pack_crc(crc32(body))


def _encodable(value: Any) -> Any:
    """Return a value with lone surrogates escaped, and structs as the lists of their fields that are encoded anyway."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, msgspec.Struct):
        return [_encodable(getattr(value, name)) for name in value.__struct_fields__]
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(each) for each in value]
    return value
