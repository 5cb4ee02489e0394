"""Reads this process's memory figures from /proc."""

from __future__ import annotations

import os
import sys
from _thread import RLock
from collections.abc import Callable
from errno import EBADF
from time import perf_counter_ns
from typing import TypeVar

from ..foreign_errors import pass_on
from .descriptors import GET_MARK, MARK, close, is_ours, read_file, read_mark
from .meter import MemoryUsage
from .proc import PAGE_SIZE, open_file, path_of

# The kernel counts RSS per processor and adds the counts up loosely; two figures of it may differ by this many bytes.
_COUNTER_SLACK = 256 * 1024
_RESET_HIGH_WATER_MARK = b"5"  # see clear_refs in proc_pid_clear_refs(5)
_SAME_BYTES = 64 * 1024  # a full reading stays valid while RSS has not moved by more,
_SAME_NS = 1_000_000_000  # for this long: other processes may begin or cease to share pages
_TRIES = 5

_T = TypeVar("_T")


class ProcMeter:
    """The meter for Linux.

    RSS comes from /proc/self/statm, its peak from VmHWM in status, and the full reading from smaps_rollup; writing to
    clear_refs resets the peak.

    Attributes:
        files: the numbers of the files that are kept open, by their names.
    """

    def __init__(self, *, exact_peak: bool) -> None:
        from resource import getrusage

        self._getrusage = getrusage
        self.files: dict[str, int] = {}
        self._closed = False
        self._lock = RLock()
        self._open("statm")
        files, pread = self.files, os.pread

        latest = self._latest = [(b"", 0)]  # an attribute too, so that a census can leave it out

        def rss() -> int:
            number = files.get("statm", -1)
            try:
                raw = pread(number, 64, 0)
                known, found = latest[0]
                if raw == known:  # in a hot phase nothing moves, and comparing is faster than parsing again
                    return found
                if is_ours(number):
                    found = int(raw.split(None, 2)[1]) * PAGE_SIZE
                    latest[0] = raw, found
                    return found
            except (
                OSError,
                ValueError,
                IndexError,
            ) as error:  # the program has closed it: another file
                pass_on(error)
            raw = self._again("statm", number, lambda number: pread(number, 64, 0))
            found = int(raw.split(None, 2)[1]) * PAGE_SIZE
            latest[0] = raw, found
            return found

        self.rss = rss
        self._open("status")
        self.peak_source = "kernel"
        self.peak_before = self._high_water_mark()
        try:
            self._resets = exact_peak and self._open("clear_refs") >= 0
            self.reset_peak()
        except OSError as error:  # a container may forbid it
            pass_on(error)
            self._resets = False
        if not self._resets:
            self.peak_source = "sampled"
        self._own_from = sys.maxsize
        self._known: tuple[MemoryUsage, int] | None = None
        rss()

    def _open(self, name: str) -> int:
        number = self.files[name] = open_file(name, os.O_WRONLY if name == "clear_refs" else os.O_RDONLY)
        return number

    def _reopen(self, name: str, closed: int) -> int:
        """Open a file again that the program has closed, as daemons close all descriptors when they start.

        Args:
            name: of the file.
            closed: its number before; another thread may have opened it again already.

        Raises:
            OSError: if it cannot be opened any more, or the meter is closed.
        """
        with self._lock:
            number = self.files.get(name, -1)
            if number != closed:
                return number
            if self._closed:
                raise OSError(f"the meter is closed: {name}")
            opened = self._open(name)
            close(number)  # only now: the same number would seem never to have been closed
            return opened

    def _read(self, name: str, size: int) -> bytes:
        with self._lock:
            number = self.files.get(name, -1)
            if is_ours(number):
                try:
                    return os.pread(number, size, 0)
                except OSError as error:  # closed just now
                    pass_on(error)
            return self._again(name, number, lambda number: os.pread(number, size, 0))

    def _again(self, name: str, closed: int, action: Callable[[int], _T]) -> _T:
        """Do with a file what could not be done because the program has closed it, and may be about to again."""
        for _ in range(_TRIES):
            closed = self._reopen(name, closed)
            try:
                return action(closed)
            except OSError as error:
                if error.errno != EBADF:
                    raise
        raise OSError(EBADF, f"{name} is closed again and again")

    def page_faults(self) -> int:
        usage = self._getrusage(0)  # RUSAGE_SELF
        return int(usage.ru_minflt + usage.ru_majflt)

    def vms(self) -> int:
        return int(self._read("statm", 64).split(None, 1)[0]) * PAGE_SIZE

    def peak(self) -> int:
        if not self._resets:  # the mark is that of the whole process
            return self.rss()
        # getrusage is eight times faster than /proc/self/status, but returns the larger of two marks: this process's,
        # and that of the process which called exec to start it. So its answer counts only from the value at which the
        # slow reading has shown it to be our own.
        largest: int = self._getrusage(0).ru_maxrss * 1024  # 0: RUSAGE_SELF
        if largest >= self._own_from:
            return largest
        own = self._high_water_mark()
        self._own_from = largest if largest <= own + _COUNTER_SLACK else largest + 1
        return own

    def _high_water_mark(self) -> int:
        status = self._read("status", 4096)
        start = status.index(b"VmHWM:") + 6
        return int(status[start : status.index(b"kB", start)]) * 1024

    def reset_peak(self) -> None:
        if not self._resets:
            return
        number = self.files.get("clear_refs", -1)
        try:
            if read_mark(number, GET_MARK) == MARK:
                os.write(number, _RESET_HIGH_WATER_MARK)
                return
        except (OSError, ValueError) as error:  # closed
            pass_on(error)
        try:
            self._again("clear_refs", number, lambda number: os.write(number, _RESET_HIGH_WATER_MARK))
        except PermissionError:  # the program has given up its rights, and closed the descriptor
            self._resets = False

    def usage(self) -> MemoryUsage:
        if self._known is not None:
            known, at = self._known
            if abs(self.rss() - known.rss) <= _SAME_BYTES and perf_counter_ns() - at <= _SAME_NS:
                return known
            self._known = None
        fields = {}
        for line in read_file(path_of("smaps_rollup")).splitlines():
            words = line.split()
            if len(words) == 3 and words[2] == b"kB":
                fields[words[0]] = int(words[1]) * 1024
        private = fields[b"Private_Clean:"] + fields[b"Private_Dirty:"] + fields.get(b"Private_Hugetlb:", 0)
        return MemoryUsage(
            fields[b"Rss:"], self.vms(), uss=private, pss=fields[b"Pss:"], swap=fields.get(b"SwapPss:", 0)
        )

    def learn(self, usage: MemoryUsage) -> None:
        self._known = usage, perf_counter_ns()

    def forget(self) -> None:
        self._lock = RLock()
        self.close()

    def close(self) -> None:
        self._resets = False
        with self._lock:
            self._closed = True
            while self.files:
                close(self.files.popitem()[1])
