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
from .layout import FRAME_CRC, FRAME_HEAD, FRAME_OVERHEAD, MAX_PAYLOAD, MAX_RESERVED

_READ_SIZE = 1 << 20
_LENGTH = 4  # bytes of a frame's length, its first field
_CHECKED_FREELY = 64 * 2**20  # bytes of what looks like frames inside damage
_CHECKED_PER_BYTE = 16  # more for each byte of damage
_DECODERS = {kind: msgspec.msgpack.Decoder(record) for kind, record in kinds().items()}
# Where a frame may begin: four bytes of length, a kind below 256, and the first byte of a MessagePack array.
_PLAUSIBLE = re.compile(rb"(?s)(?=....[\x01-\xff]\x00[\x90-\x9f\xdc])")


class FrameDecoder:
    """Iterates over the records of an open file, from its current position.

    Attributes:
        damaged_bytes: bytes skipped so far because they are in no whole frame.
        reserved_bytes: bytes at the end that are reserved for further frames; a kill may leave one of them unfinished.
        unknown: number of whole frames of a kind that this version does not know; newer ones may write them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._buffer = b""
        self._at = 0  # position of the next frame in the buffer
        self._ended = False
        self.damaged_bytes = 0
        self.reserved_bytes = 0
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
                self._skip_damage_or_reserved()
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
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # whole, with other content than its kind has
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
                self._ended = True
                return False
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        return True

    def _skip_damage_or_reserved(self) -> None:
        """Move to the next whole frame, or to the end of the file.

        A frame's length, which is not 0, is the last of it that is written: where it is missing and no whole frame
        follows, the writer has not come that far.
        """
        before = self.damaged_bytes
        begins = self._buffer[self._at : self._at + _LENGTH]
        self._skip_damage()
        skipped = self.damaged_bytes - before
        if not any(begins) and not self._rest() and skipped <= MAX_RESERVED:
            self.damaged_bytes = before
            self.reserved_bytes = skipped

    def _skip_damage(self) -> None:
        """Move to the next whole frame, or to the end of the file.

        Bytes that look like the head of a large frame cost a checksum over all of it. So that damage made for the
        purpose does not keep a reader busy for hours, such checks are limited by how much damage there is.
        """
        before = self.damaged_bytes
        checked = 0
        self._move(1)
        while True:
            self._fill(_READ_SIZE)
            buffer, start = self._buffer, self._at
            for match in _PLAUSIBLE.finditer(buffer, start):
                at = match.start()
                size = FRAME_HEAD.unpack_from(buffer, at)[0] + FRAME_OVERHEAD
                skipped = self.damaged_bytes - before + at - start
                if (
                    size > MAX_PAYLOAD + FRAME_OVERHEAD
                    or checked + size > _CHECKED_FREELY + _CHECKED_PER_BYTE * skipped
                ):
                    continue
                if at + size > len(buffer):
                    if self._ended:
                        continue
                    self._move(at - start)
                    self._fill(size)
                    break  # and look again, in the buffer that has more
                checked += size
                if _is_whole(buffer, at, at + size):
                    self._move(at - start)
                    return
            else:
                # The last bytes may be the begin of a frame's head, and are kept for the next round, if there is one.
                self._move(max(self._rest() - FRAME_HEAD.size, 0))
                if not self._fill(FRAME_OVERHEAD + 1):
                    self._move(self._rest())
                    return

    def _move(self, size: int) -> None:
        self._at += size
        self.damaged_bytes += size


def _is_whole(buffer: bytes, start: int, end: int) -> bool:
    """Tell whether a frame has the checksum that is its last bytes."""
    checksum: int = FRAME_CRC.unpack_from(buffer, end - FRAME_CRC.size)[0]
    return crc32(memoryview(buffer)[start : end - FRAME_CRC.size]) == checksum
