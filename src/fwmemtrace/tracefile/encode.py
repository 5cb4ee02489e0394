"""Encodes records as the bytes of a trace file."""

from __future__ import annotations

import msgspec

from ..errors import RecordError
from ..foreign_errors import is_the_programs
from ..records import Record
from ..values import fitted
from .checksum import crc32
from .layout import BYTE_ORDER_MARK, FORMAT_VERSION, FRAME_CRC, FRAME_HEAD, HEADER, MAGIC, MAX_PAYLOAD

_encode = msgspec.msgpack.Encoder().encode
_pack_head = FRAME_HEAD.pack
_pack_crc = FRAME_CRC.pack


def header(pid: int, lost: int = 0) -> bytes:
    """Return the first bytes of the trace file of a process that has lost this many records."""
    return HEADER.pack(MAGIC, FORMAT_VERSION, BYTE_ORDER_MARK, pid, min(lost, 2**32 - 1))


def frame(record: Record) -> bytes:
    """Return a record as one whole frame, to be written in one call.

    Values that MessagePack cannot hold are made fit for it; see `values.fitted`.

    Raises:
        RecordError: if the record is larger than a frame may be.
    """
    try:
        payload = _encode(record)
    except Exception as error:  # a subclass of str, a lone surrogate, an integer of more than 64 bits
        if is_the_programs(error):
            raise
        payload = _encode(fitted(record))
    if len(payload) > MAX_PAYLOAD:
        payload = _encode(fitted(record))  # with its longest texts cut
        if len(payload) > MAX_PAYLOAD and getattr(record, "attributes", None):
            left_out = {"attributes": f"left out: {len(payload):,} bytes"}
            payload = _encode(fitted(msgspec.structs.replace(record, attributes=left_out)))
        if len(payload) > MAX_PAYLOAD:
            raise RecordError(f"a {type(record).__name__} of {len(payload):,} bytes is larger than a frame may be")
    body = _pack_head(len(payload), record.kind) + payload
    return body + _pack_crc(crc32(body))
