"""Records to bytes."""

from __future__ import annotations

from zlib import crc32

import msgspec

from ..records import Record
from .layout import BYTE_ORDER_MARK, FORMAT_VERSION, FRAME_CRC, FRAME_HEAD, HEADER, MAGIC

_encode = msgspec.msgpack.Encoder().encode
_pack_head = FRAME_HEAD.pack
_pack_crc = FRAME_CRC.pack


def header(pid: int) -> bytes:
    """The first bytes of the trace file of a process."""
    return HEADER.pack(MAGIC, FORMAT_VERSION, BYTE_ORDER_MARK, pid, 0)


def frame(record: Record) -> bytes:
    """One record as a whole frame, to be written at once."""
    payload = _encode(record)
    body = _pack_head(len(payload), record.kind) + payload
    return body + _pack_crc(crc32(body))
