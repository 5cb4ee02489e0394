"""Reads which session an existing trace file belongs to, as cheaply as the traced process needs it."""

from __future__ import annotations

import os
from time import sleep

import msgspec

from ..records import SessionBegin
from .checksum import crc32
from .layout import FRAME_CRC, FRAME_HEAD, HEADER, MAGIC

_AT_MOST = 1024 * 1024  # bytes of the first frame; command lines may be long
_PATIENCE_S = 0.005
_TRIES = 200  # while the process that has created the file is about to write it


def first_record(number: int) -> SessionBegin | None:
    """Return the first record of a trace file; None if it is not a trace, or damaged.

    Args:
        number: a descriptor from which the file can be read.
    """
    for _ in range(_TRIES):
        start = os.pread(number, HEADER.size + FRAME_HEAD.size, 0)
        if not MAGIC.startswith(start[: len(MAGIC)]):
            return None
        if len(start) == HEADER.size + FRAME_HEAD.size:
            length, kind = FRAME_HEAD.unpack_from(start, HEADER.size)
            if length > _AT_MOST or (length and kind != SessionBegin.kind):
                return None
            rest = os.pread(number, length + FRAME_CRC.size, len(start))
            if length and len(rest) == length + FRAME_CRC.size:  # no length: the space is only reserved
                return _decoded(start[HEADER.size :] + rest)
        sleep(_PATIENCE_S)
    return None


def _decoded(frame: bytes) -> SessionBegin | None:
    body, checksum = frame[: -FRAME_CRC.size], frame[-FRAME_CRC.size :]
    if FRAME_CRC.pack(crc32(body)) != checksum:
        return None
    try:
        return msgspec.msgpack.decode(body[FRAME_HEAD.size :], type=SessionBegin)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
