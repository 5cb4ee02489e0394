"""Reads this process's memory figures: from /proc where there is one, else from psutil.

A `Meter` only reads. Which reading belongs to which phase is for `resident` and the session to say.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import perf_counter_ns
from typing import NamedTuple, Protocol

PROC = "/proc/self"  # tests point it elsewhere to see the other systems' path
_COUNTER_SLACK = (
    256 * 1024
)  # the kernel keeps RSS per processor and adds it up loosely; the two readings differ by that
_RESET_HIGH_WATER_MARK = b"5"  # proc(5), clear_refs
_SAME_BYTES = 64 * 1024  # a full reading holds while RSS has not moved by more,
_SAME_NS = 1_000_000_000  # for this long: other processes may come to share pages, or cease to


class Usage(NamedTuple):
    """One full reading, in bytes. `uss` and `pss` need a walk over the page tables; see smaps_rollup in proc(5)."""

    rss: int
    vms: int
    uss: int
    pss: int
    swap: int


class Meter(Protocol):
    """Reads one process's memory."""

    peak_source: str  # "kernel": exact; "sampled": the largest of the readings
    peak_before: int  # the high-water mark when the meter was opened

    @property
    def rss(self) -> Callable[[], int]:
        """Bytes resident now; the cheapest reading there is."""

    def vms(self) -> int:
        """Bytes of address space."""

    def peak(self) -> int:
        """The high-water mark of RSS since the last `reset_peak`, in bytes."""

    def reset_peak(self) -> None:
        """Let the high-water mark start over from the present RSS."""

    def usage(self) -> Usage:
        """The full reading; it costs milliseconds in a big process."""

    def learn(self, usage: Usage) -> None:
        """Take what another walk over the page tables came to just now: it may spare `usage` one."""

    def close(self) -> None:
        """Give back what is kept open."""


def open_meter(*, exact_peak: bool = True) -> Meter:
    """The best meter that works here.

    Args:
        exact_peak: whether the kernel's high-water mark may be reset; without it peaks are those of the readings.
    """
    try:
        return ProcMeter(exact_peak=exact_peak)
    except (OSError, ImportError, ValueError):
        return PsutilMeter()


class ProcMeter:
    """Linux: /proc/self/statm for RSS, VmHWM of status for its peak, clear_refs to reset that, smaps_rollup."""

    def __init__(self, *, exact_peak: bool) -> None:
        from resource import getrusage

        self._getrusage = getrusage
        self._fds: list[int] = []
        page = os.sysconf("SC_PAGE_SIZE")
        statm = self._open("statm", os.O_RDONLY)
        pread = os.pread

        last = b"", 0

        def rss() -> int:
            nonlocal last
            raw = pread(statm, 64, 0)
            if raw != last[0]:  # in a hot phase nothing moves, and comparing is faster than reading the digits again
                last = raw, int(raw.split(None, 2)[1]) * page
            return last[1]

        self.rss = rss
        self._page = page
        self._statm = statm
        self._status = self._open("status", os.O_RDONLY)
        self.peak_source = "kernel"
        self.peak_before = self._mark()
        try:
            self._clear_refs = self._open("clear_refs", os.O_WRONLY) if exact_peak else -1
            self.reset_peak()
        except OSError:  # a container may forbid it
            self._clear_refs = -1
        if self._clear_refs < 0:
            self.peak_source = "sampled"
        self._own_from = sys.maxsize
        self._known: tuple[Usage, int] | None = None
        rss()

    def _open(self, name: str, flags: int) -> int:
        fd = os.open(f"{PROC}/{name}", flags | os.O_CLOEXEC)
        self._fds.append(fd)
        return fd

    def vms(self) -> int:
        return int(os.pread(self._statm, 64, 0).split(None, 1)[0]) * self._page

    def peak(self) -> int:
        # getrusage is eight times faster than /proc/self/status, but tells the largest of two marks: this process's,
        # and that of the process which called exec to start it. So what it says counts from where the slow reading has
        # shown it to be our own.
        told: int = self._getrusage(0).ru_maxrss * 1024  # 0: RUSAGE_SELF
        if told >= self._own_from:
            return told
        mark = self._mark()
        self._own_from = told if told <= mark + _COUNTER_SLACK else told + 1
        return mark

    def _mark(self) -> int:
        status = os.pread(self._status, 4096, 0)
        start = status.index(b"VmHWM:") + 6
        return int(status[start : status.index(b"kB", start)]) * 1024

    def reset_peak(self) -> None:
        if self._clear_refs >= 0:
            os.write(self._clear_refs, _RESET_HIGH_WATER_MARK)

    def usage(self) -> Usage:
        if self._known is not None:
            known, at = self._known
            if abs(self.rss() - known.rss) <= _SAME_BYTES and perf_counter_ns() - at <= _SAME_NS:
                return known
            self._known = None
        fields = {}
        with open(f"{PROC}/smaps_rollup", "rb") as rollup:
            for line in rollup:
                words = line.split()
                if len(words) == 3 and words[2] == b"kB":
                    fields[words[0]] = int(words[1]) * 1024
        private = fields[b"Private_Clean:"] + fields[b"Private_Dirty:"] + fields.get(b"Private_Hugetlb:", 0)
        return Usage(fields[b"Rss:"], self.vms(), uss=private, pss=fields[b"Pss:"], swap=fields.get(b"SwapPss:", 0))

    def learn(self, usage: Usage) -> None:
        self._known = usage, perf_counter_ns()

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


class PsutilMeter:
    """Anywhere else: psutil. The peak is the largest reading since the reset, a lower bound of the true one."""

    peak_source = "sampled"

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._largest = 0
        # Windows keeps the mark for good; elsewhere the first reading is the best there is.
        self.peak_before = int(getattr(self._process.memory_info(), "peak_wset", self.rss()))

    def rss(self) -> int:
        rss: int = self._process.memory_info().rss
        self._largest = max(self._largest, rss)
        return rss

    def vms(self) -> int:
        vms: int = self._process.memory_info().vms
        return vms

    def peak(self) -> int:
        self.rss()
        return self._largest

    def reset_peak(self) -> None:
        self._largest = 0

    def usage(self) -> Usage:
        full = self._process.memory_full_info()
        # Windows and macOS tell USS only; PSS, which divides shared pages among their users, is Linux's.
        return Usage(full.rss, full.vms, full.uss, getattr(full, "pss", 0), getattr(full, "swap", 0))

    def learn(self, usage: Usage) -> None:
        pass

    def close(self) -> None:
        pass
