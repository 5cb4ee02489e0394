"""A file that grows by whole copies into mapped windows at its end: what the trace file is where the core is built."""

from __future__ import annotations

import errno
import os

from .. import core
from ..errors import SinkError
from ..foreign_errors import pass_on
from ..system.descriptors import GET_MARK, MARK, read_mark
from .append_file import NO_ROOM, AppendFile, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core._compiled import TraceWindow

_WINDOW = 64 * 1024  # bytes that are mapped at a time; they are resident as long as the file is open
_INTO_WINDOW = _WINDOW // 4  # what is larger is written


class MappedFile(AppendFile):
    """A file that grows by copies into memory, which a kill leaves in the file; a write takes ten times as long.

    Until it is closed, zeros follow the last whole: the rest of the window. What is too large for a window, or comes
    while none can be had, is written as to every other file.

    Attributes:
        window: takes wholes of at least four bytes, the first four of which are not all zero, if there is room. None
            for good once windows have been refused: by the file system, or because the program handles SIGBUS itself.
    """

    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)

    def __init__(self, path: str, *, new: bool = True) -> None:
        self.window: TraceWindow | None = make_window()
        super().__init__(path, new=new)

    def append(self, whole: bytes) -> bool:
        window = self.window
        if window is None:
            return super().append(whole)
        if window.append(whole):
            return True
        try:
            self._lock.acquire()
            return self._append_to_next(window, whole) or super().append(whole)
        except (OSError, ValueError) as error:
            pass_on(error)
            return self._not_written(whole, error)
        finally:
            release(self._lock)

    def _append_to_next(self, window: TraceWindow, whole: bytes) -> bool:
        """Append to the next window; False if the whole frame must be written, since there is no window left."""
        if window.append(whole):  # another thread has been here first
            return True
        if not window.is_ours:  # a forked child, whose session does not know it yet: the file is its parent's
            return True
        if read_mark(self._number, GET_MARK) != MARK:
            self._reopen()
        if len(whole) <= _INTO_WINDOW:
            end = window.end if window.is_open else os.fstat(self._number).st_size
            if not end:  # a kill must not leave a file of zeros
                return False
            error = window.map(self._number, *self._identity, end, _WINDOW)
            if not error:
                return window.append(whole)
            if error == errno.ESTALE:
                raise SinkError(f"{self.path} was truncated by another program")
            if error == errno.EBADF:  # closed just now
                raise OSError(error, os.strerror(error), self.path)
            if error not in NO_ROOM:
                self.window = None
        window.leave(self._number, *self._identity)
        return False

    def forget(self) -> None:
        self.window = None  # it is not left: the zeros are the parent's to fill
        super().forget()

    def close(self) -> None:
        with self._lock:
            if self.window is not None and self.window.is_open:
                try:
                    if not self._has_descriptor():
                        self._reopen()
                except (OSError, ValueError, SinkError) as error:  # then the zeros stay, which readers know
                    pass_on(error)
                self.window.leave(self._number, *self._identity)
            super().close()

    def _has_descriptor(self) -> bool:
        try:
            return read_mark(self._number, GET_MARK) == MARK
        except OSError as error:  # nobody has it
            pass_on(error)
            return False


def make_window() -> TraceWindow | None:
    """Return a window, which is not mapped yet; None where there are none."""
    make = getattr(core.load()[0], "TraceWindow", None)
    window: TraceWindow | None = None if make is None else make()
    return window
