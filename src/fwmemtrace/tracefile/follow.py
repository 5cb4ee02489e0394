"""Reads a trace file while it is being written: each time the records that have come since the last."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import TraceFileError
from ..records import Record
from .decode import FrameDecoder
from .layout import FRAME_CRC, FRAME_HEAD, FRAME_OVERHEAD, HEADER, MAX_PAYLOAD, MAX_RESERVED
from .parts import Part, further_parts, number_of
from .reader import TraceFile, reserved_from

_AT_ONCE = 1 << 24  # bytes


class FollowedFile:
    """A trace file that grows, and continues in further parts if its size is limited.

    Args:
        file: the file.

    Attributes:
        file: the same.
        damaged_bytes: bytes so far that are in no whole frame.
    """

    def __init__(self, file: TraceFile) -> None:
        self.file = file
        self.damaged_bytes = 0
        self._session = file.session()
        self._inode = self._stat().st_ino
        self._missed = False
        self._go_to(file.path, 1, 0)

    def _go_to(self, path: Path, number: int, repeated: int) -> None:
        self._path = path
        self._number = number
        self._skip = repeated
        self._at = HEADER.size

    @property
    def replaced(self) -> bool:
        """Whether another file has its name now, or it was truncated: a new session writes it.

        Also if parts were removed before they were read: what is left has to be read from its start.
        """
        if self._missed or self._stat().st_ino != self._inode:
            return True
        if self._path != self.file.path:
            return False
        return reserved_from(self.file.path) + FRAME_CRC.size < self._at  # a checksum may end in zeros

    def new_records(self) -> Iterator[Record]:
        """Yield the records that have come since the last call. A frame that is not complete yet is left for the next.

        Raises:
            TraceFileError: if the file cannot be read any more.
        """
        yield from self._grown()
        while (following := self._next_part()) is not None:
            yield from self._grown()  # nothing is added to a part once there is another one
            self._go_to(*following)
            yield from self._grown()

    def _grown(self) -> Iterator[Record]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                rest = b""
                while more := file.read(_AT_ONCE):
                    rest += more
                    size = _whole_frames(rest)
                    decoder = FrameDecoder(io.BytesIO(rest[:size]))
                    for record in decoder:
                        if self._skip:
                            self._skip -= 1
                        else:
                            yield record
                    size -= decoder.reserved_bytes  # where frames will be, after damage that came before them
                    self._at += size
                    self.damaged_bytes += decoder.damaged_bytes
                    rest = rest[size:]
        except OSError as error:
            if self._path != self.file.path:
                self._missed = True
                return
            raise TraceFileError(f"{self.file.path} cannot be read: {error.strerror}") from error

    def _next_part(self) -> tuple[Path, int, int] | None:
        """Return the next part's path, its number, and how many records at its start are to be skipped."""
        for path in further_parts(self.file.path, behind=number_of(self._path)):
            try:
                with path.open("rb") as file:
                    begin = Part(file, self._session).begin
            except OSError:  # removed just now
                continue
            if begin is None or begin.number < max(self._number, 2):
                continue
            if begin.number <= self._number + 1:
                return path, begin.number, 1 + begin.repeated
            self._missed = True
            return None
        return None

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
