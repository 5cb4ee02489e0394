"""Decodes the bytes of a trace file: every whole frame becomes a record, and damage is skipped and counted.

Nothing in a file is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO
from zlib import crc32

import msgspec

from ..records import Record, kinds
from .layout import FRAME_CRC, FRAME_HEAD, FRAME_OVERHEAD, MAX_PAYLOAD

_READ_SIZE = 1 << 20
_DECODERS = {kind: msgspec.msgpack.Decoder(record) for kind, record in kinds().items()}
# Where a frame may begin: four bytes of length, a kind below 256, and the first byte of a MessagePack array.
_PLAUSIBLE = re.compile(rb"(?s)(?=....[\x01-\xff]\x00[\x90-\x9f\xdc])")


class FrameDecoder:
    """Iterates over the records of an open file, from its current position.

    Attributes:
        damaged_bytes: bytes skipped so far because they are in no whole frame.
        unknown: number of whole frames of a kind that this version does not know; newer ones may write them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = b""
        self._at = 0  # position of the next frame in the buffer
        self.damaged_bytes = 0
        self.unknown = 0

    def __iter__(self) -> Iterator[Record]:
        unpack = FRAME_HEAD.unpack_from
        unpack_crc = FRAME_CRC.unpack_from
        head = FRAME_HEAD.size
        while self._fill(FRAME_OVERHEAD) or self._rest():
            buffer, at = self._buffer, self._at
            whole = False
            if len(buffer) - at >= FRAME_OVERHEAD:
                length, kind = unpack(buffer, at)
                if length <= MAX_PAYLOAD and self._fill(length + FRAME_OVERHEAD):
                    buffer, at = self._buffer, self._at
                    end = at + head + length
                    whole = crc32(buffer[at:end]) == unpack_crc(buffer, end)[0]
            if not whole:
                self._skip_damage()
                continue
            self._at = end + FRAME_CRC.size
            record = self._decode(kind, buffer[at + head : end])
            if record is not None:
                yield record

    def _decode(self, kind: int, payload: bytes) -> Record | None:
        decoder = _DECODERS.get(kind)
        if decoder is None:
            self.unknown += 1
            return None
        try:
            return decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):  # a whole frame with another content than its kind has
            self.damaged_bytes += len(payload) + FRAME_OVERHEAD
            return None

    def _rest(self) -> int:
        """Return how many bytes of the buffer are still to be decoded."""
        return len(self._buffer) - self._at

    def _fill(self, size: int) -> bool:
        """Read until the buffer has that many bytes of the current frame; False if the file ends before."""
        while self._rest() < size:
            more = self._file.read(max(_READ_SIZE, size - self._rest()))
            if not more:
                return False
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        return True

    def _skip_damage(self) -> None:
        """Move to the next whole frame, or to the end of the file."""
        self._move(1)
        while True:
            self._fill(_READ_SIZE)
            match = _PLAUSIBLE.search(self._buffer, self._at)
            if match is None:
                # The last bytes may be the begin of a frame's head, and are kept for the next round, if there is one.
                self._move(max(self._rest() - FRAME_HEAD.size, 0))
                if not self._fill(FRAME_OVERHEAD + 1):
                    self._move(self._rest())
                    return
                continue
            self._move(match.start() - self._at)
            if self._is_whole():
                return
            self._move(1)

    def _move(self, size: int) -> None:
        self._at += size
        self.damaged_bytes += size

    def _is_whole(self) -> bool:
        length, _ = FRAME_HEAD.unpack_from(self._buffer, self._at)
        if length > MAX_PAYLOAD or not self._fill(length + FRAME_OVERHEAD):
            return False
        end = self._at + FRAME_HEAD.size + length
        checksum: int = FRAME_CRC.unpack_from(self._buffer, end)[0]
        return crc32(self._buffer[self._at : end]) == checksum
