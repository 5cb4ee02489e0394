"""Reads a trace file while it is being written: each time the records that have come since the last."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

from ..errors import TraceFileError
from ..records import Record
from .decode import FrameDecoder
from .layout import FRAME_CRC, FRAME_HEAD, FRAME_OVERHEAD, HEADER, MAX_PAYLOAD, MAX_RESERVED
from .reader import TraceFile, reserved_from

_AT_ONCE = 1 << 24  # bytes


class FollowedFile:
    """A trace file that grows.

    Args:
        file: the file.

    Attributes:
        file: the same.
        damaged_bytes: bytes so far that are in no whole frame.
    """

    def __init__(self, file: TraceFile) -> None:
        self.file = file
        self.damaged_bytes = 0
        self._at = HEADER.size
        self._inode = self._stat().st_ino

    @property
    def replaced(self) -> bool:
        """Whether another file has its name now, or it was truncated: a new session writes it."""
        if self._stat().st_ino != self._inode:
            return True
        return reserved_from(self.file.path) + FRAME_CRC.size < self._at  # a checksum may end in zeros

    def new_records(self) -> Iterator[Record]:
        """Yield the records that have come since the last call. A frame that is not complete yet is left for the next.

        Raises:
            TraceFileError: if the file cannot be read any more.
        """
        try:
            with self.file.path.open("rb") as file:
                file.seek(self._at)
                rest = b""
                while more := file.read(_AT_ONCE):
                    rest += more
                    size = _whole_frames(rest)
                    decoder = FrameDecoder(io.BytesIO(rest[:size]))
                    yield from decoder
                    size -= decoder.reserved_bytes  # where frames will be, after damage that came before them
                    self._at += size
                    self.damaged_bytes += decoder.damaged_bytes
                    rest = rest[size:]
        except OSError as error:
            raise TraceFileError(f"{self.file.path} cannot be read: {error.strerror}") from error

    def _stat(self) -> os.stat_result:
        try:
            return self.file.path.stat()
        except OSError as error:
            raise TraceFileError(f"{self.file.path} cannot be read: {error.strerror}") from error


def _whole_frames(data: bytes) -> int:
    """Return the size of the whole frames at the start; of all if a length is damaged, for the decoder to judge."""
    at = 0
    while len(data) - at >= FRAME_OVERHEAD:
        length, _ = FRAME_HEAD.unpack_from(data, at)
        if length > MAX_PAYLOAD or (not length and len(data) - at > MAX_RESERVED):
            return len(data)
        if not length:  # reserved for the next frame
            break
        if len(data) - at < length + FRAME_OVERHEAD:
            break
        at += length + FRAME_OVERHEAD
    return at
