"""A profile function that finds which functions make RSS rise.

A thread must install its profile function itself: see `pending_calls` for how the main thread comes to it. Nothing that
runs there catches exceptions, which may be a signal handler's.

A program that has a profile or trace function keeps it, and is not watched.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns
from types import FrameType
from typing import Any, TypeAlias

from ...system.held_reads import HeldReads
from ...system.proc import PAGE_SIZE
from ..attribution import Accounted
from .pending_calls import call_in_main_thread
from .stacks import Stack, stack_of
from .thread_hooks import ThreadHooks

_THIS_THREAD = 1  # RUSAGE_THREAD
_AROUND_NS = 1_500  # what the interpreter takes to call a profile function
# Profilers that install their function without an object, so that sys.getprofile does not show it.
_HIDDEN_PROFILERS = ("yappi",)

Made: TypeAlias = dict[int, dict[Stack, int]]  # bytes by thread and stack


class Watch:
    """A profile function that reads RSS at a number of calls and returns in a row, and then takes itself away.

    RSS is read only if the kernel has counted page faults of the thread since, which takes half as long to ask.

    It is made in the timeline's thread, which it leaves out.

    Args:
        accounted: returns what others account for, such as an import that is under way.

    Attributes:
        spent_ns: the time that it took since it was started.
        looks: how often its findings were taken since it was started.
        refused: whether the program has a profile or trace function.
    """

    def __init__(self, accounted: Callable[[], Accounted]) -> None:
        from resource import getrusage

        self._getrusage = getrusage
        self._accounted = accounted
        self._files = HeldReads()
        self._pid = os.getpid()
        self._left = self._reading = 0
        self._rises: list[tuple[int, Stack, int]] = []  # those that stand: a fall takes back what rose last
        self._faults: dict[int, int] = {}  # by thread
        self._level = self._latest = 0
        self.spent_ns = self.looks = 0
        self.asked = self.refused = self._stopped = False
        try:
            self._others: ThreadHooks | None = ThreadHooks()
        except (ImportError, OSError, AttributeError):
            self._others = None

    @property
    def is_on(self) -> bool:
        """Whether it watches."""
        return self._left > 0

    def start(self, events: int) -> None:
        """Watch this many calls and returns, from soon on."""
        self.spent_ns = 0
        self.asked = True  # before the main thread can begin
        if not call_in_main_thread(lambda: self._begin(events)):
            self.asked = False

    def _begin(self, events: int) -> None:
        """Runs in the main thread, between two of the program's instructions."""
        self.refused = (
            self._stopped
            or sys.getprofile() not in (None, self)
            or threading.getprofile() not in (None, self)
            or sys.gettrace() is not None
            or threading.gettrace() is not None
            or any(name in sys.modules for name in _HIDDEN_PROFILERS)
            or (self._others is not None and self._others.any_but(self))
        )
        self.asked = False
        if self.refused:
            return
        self.spent_ns = self.looks = 0
        self._rises, self._level = [], self._rss()
        self._left = events
        threading.setprofile(self)
        if self._others is not None:
            self._others.set(self)
        sys.setprofile(self)

    def _rss(self) -> int:
        return int(self._files.read("statm", 64).split(None, 2)[1]) * PAGE_SIZE

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self._left <= 0:
            self._take_away()
            return
        began = perf_counter_ns()
        self._left -= 1
        usage = self._getrusage(_THIS_THREAD)
        faults, thread = usage.ru_minflt + usage.ru_majflt, threading.get_ident()
        new = faults - self._faults.get(thread, 0)
        if new:
            self._faults[thread] = faults
            if new < 0:  # another thread of the same identifier
                new = faults
            self._reading += 1
            try:
                self._read(thread, new, frame.f_back or frame if event == "call" else frame)
            finally:
                self._reading -= 1
        self._latest = thread
        self.spent_ns += perf_counter_ns() - began + _AROUND_NS

    def _read(self, thread: int, faults: int, frame: FrameType) -> None:
        """Read RSS, which a frame of this thread made rise.

        If another thread had the event before, RSS may have risen in that one, so no more is charged than the new page
        faults of this one account for.
        """
        if os.getpid() != self._pid:  # a forked child process
            self.stop()
            return
        rss = self._rss()
        change, self._level = rss - self._level, rss
        if change < 0:
            self._fall(-change)
        elif change > 0 and self._accounted().open_since is None:  # no import, which is accounted for elsewhere
            if self._latest != thread:
                change = min(change, faults * PAGE_SIZE)
            if change:
                self._rises.append((thread, stack_of(frame), change))

    def _fall(self, size: int) -> None:
        while size > 0 and self._rises:
            thread, stack, standing = self._rises.pop()
            if standing > size:
                self._rises.append((thread, stack, standing - size))
            size -= standing

    def take(self) -> Made:
        """Return what made RSS rise since the last call."""
        self.looks += 1
        if self.is_on:  # the rise of a call that is under way is charged by the look: the call's end has not made it
            self._level = self._rss()
        rises, self._rises = self._rises, []
        made: Made = {}
        for thread, stack, size in rises:
            sizes = made.setdefault(thread, {})
            sizes[stack] = sizes.get(stack, 0) + size
        return made

    def end(self) -> None:
        """Watch no more. Each thread takes the function away at its next call or return, the calling one at once."""
        self._left = 0
        self._take_away()

    def stop(self) -> None:
        """End it for good."""
        self._stopped = True
        self.end()
        if not self._reading:  # if a thread is at it, the file stays open
            self._files.close()

    def _take_away(self) -> None:
        """Take the function away, unless the program has put its own in the place, which may call this one."""
        if sys.getprofile() is self:
            sys.setprofile(None)
        if threading.getprofile() is self:
            threading.setprofile(None)
