"""A file that grows by whole writes: the basis of every sink that writes a file."""

from __future__ import annotations

import errno
import os
from _thread import RLock

from ..errors import SinkError
from ..foreign_errors import pass_on
from ..system.descriptors import GET_MARK, MARK, close, identity, open_marked, read_mark

_NEW = os.O_CREAT | os.O_EXCL
_MODE = 0o600
# The file may have room again later, or the process descriptors to open it again where the program has closed its own.
NO_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
NO_ROOM.add(getattr(errno, "EDQUOT", errno.ENOSPC))
_write = os.write


class AppendFile:
    """A file, to which each `append` is one `write` that happens completely or not at all.

    It may be used from any thread. No write is under way when `close` returns, so no number is used after it belongs to
    somebody else; and if the program closes the descriptor, as daemons do when they start, the file is opened again.

    Args:
        path: the file.
        new: whether it must not exist; otherwise it must.

    Attributes:
        is_new: whether it was created here, so that it is a regular file of ours and not a device.

    Raises:
        FileExistsError: if it exists and must not.
        OSError: if it cannot be created.
    """

    flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)  # O_NONBLOCK: never wait for a FIFO's reader

    def __init__(self, path: str, *, new: bool = True) -> None:
        self.path = path
        self.is_new = new
        self.reason = ""  # why the latest write that failed found no room
        self._lock = RLock()  # a signal handler or a finaliser may write inside a write
        self._number = open_marked(path, self.flags | (_NEW if new else 0), _MODE)
        self._identity = identity(self._number)

    def append(self, whole: bytes) -> bool:
        """Write bytes at the end.

        Returns:
            False if there is no room for all of them: then the file has none of them.

        Raises:
            OSError: if the file cannot be written to, and will not be later.
        """
        lock = self._lock
        try:  # half the time of a `with` block; inside, so that an exception of a signal handler leaves it released
            lock.acquire()
            number = self._number
            if read_mark(number, GET_MARK) != MARK:
                self._reopen()
                number = self._number
            written = _write(number, whole)
            return written == len(whole) or self._cut_off(written)
        except (OSError, ValueError) as error:
            pass_on(error)
            return self._not_written(whole, error)
        finally:
            release(lock)

    def _cut_off(self, written: int) -> bool:
        self.reason = os.strerror(errno.ENOSPC)
        os.ftruncate(self._number, os.lseek(self._number, 0, os.SEEK_CUR) - written)
        return False

    def _not_written(self, whole: bytes, error: OSError | ValueError) -> bool:
        if self._number < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.path)
        if not isinstance(error, OSError):
            raise error
        if error.errno == errno.EBADF:  # closed just now
            try:
                self._reopen()
            except OSError as second:
                pass_on(second)
                if second.errno == errno.EBADF:
                    raise
                return self._not_written(whole, second)
            return self.append(whole)
        if error.errno not in NO_ROOM:
            raise error
        self.reason = error.strerror or ""
        return False

    def overwrite(self, offset: int, data: bytes) -> None:
        """Replace bytes that are in the file already, which takes no room; does nothing where that fails.

        Args:
            offset: where they begin, in bytes.
            data: as many bytes.
        """
        try:
            number = open_marked(self.path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            pass_on(error)
            return
        try:
            if identity(number) == self._identity:
                os.lseek(number, offset, os.SEEK_SET)
                os.write(number, data)
        except OSError as error:
            pass_on(error)
        finally:
            close(number)

    def _reopen(self) -> None:
        """Open the file again after the program has closed the descriptor."""
        close(self._number)
        number = open_marked(self.path, self.flags)
        if identity(number) != self._identity:
            close(number)
            raise SinkError(f"{self.path} is another file now, and its descriptor was closed by the program")
        self._number = number

    def forget(self) -> None:
        """Leave the file to the parent process: this is a forked child, in which no other thread runs."""
        self._lock = RLock()
        self.close()

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            number, self._number = self._number, -1
            close(number)


def release(lock: RLock) -> None:
    """Release a lock, which this thread does not have if a signal handler has raised while it waited for it."""
    try:
        lock.release()
    except RuntimeError as error:
        pass_on(error)
