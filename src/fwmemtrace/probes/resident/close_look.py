"""Finds the functions behind rises of RSS that are seen only after they have returned.

A request that takes less than the interpreter's switch interval is over when the timeline's thread gets to look: all
that it sees is the line that waits for the next one. Where rises add up at such a place, the main thread is watched for
a few thousand calls by a profile function that reads RSS at each. Rises at this place are then charged to the functions
that made RSS rise, in the same proportions.

A thread must install its profile function itself, so a pending call is left for the interpreter to make in the main
thread. It runs `PyObject_IsTrue` on an object of ours. A callback of `ctypes` would print and drop what a signal
handler raises in it; this passes it on. For the same reason, nothing that runs in the main thread catches exceptions.

A program that has a profile or trace function keeps it, and is not watched.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns
from types import CodeType, FrameType, NoneType
from typing import Any, TypeAlias

from ...system.held_reads import HeldReads
from ...system.proc import PAGE_SIZE
from ..attribution import Accounted
from ..governor import TimeBudget
from .running_threads import Stack, line_of, stack_of

_WORTH_IT = 1_000_000  # bytes at one place before it is watched, and before it is watched again
_WORTH_AGAIN = 0.25  # of all that rose there
_EVENTS = 5_000  # calls and returns in a row; a request that has more is seen while it runs
_ENOUGH_LOOKS = 8
_MISSED = 0.8  # of a rise: a watch that ended meanwhile and has missed more knows nothing
_FADING = 0.9  # of what earlier watches found, at each one: programs change
_MOST_PLACES, _MOST_MAKERS = 1024, 256
_THIS_THREAD = 1  # RUSAGE_THREAD
_AROUND_NS = 1_500  # what the interpreter takes to call a profile function
# Profilers that install their function without an object, so that sys.getprofile does not show it.
_HIDDEN_PROFILERS = ("yappi",)

_Place: TypeAlias = tuple[CodeType, int]  # code of the innermost frame, and an instruction or a negative line
_pending: list[_Pending] = []  # those that the interpreter still has to make


class CloseLook:
    """Watches the main thread for short whiles.

    Args:
        accounted: returns what others account for, such as an import that is under way.
        budget: the time that watching may take.
    """

    def __init__(self, accounted: Callable[[], Accounted], budget: TimeBudget) -> None:
        self._accounted = accounted
        self._budget = budget
        self._places: dict[_Place, _Makers] = {}
        self._watch: _Watch | None = None  # the latest one
        self._asked = self._stopped = False
        self._asked_for = _Makers()
        self._whole = False  # whether all since the look before was watched

    def maker(self, stack: Stack, size: int) -> Stack:
        """Return the stack to charge with a rise that was seen in the main thread at a stack.

        Runs in the timeline's thread.

        Args:
            stack: where the main thread is.
            size: of the rise, in bytes.
        """
        if not stack:
            return stack
        makers = self._makers_at(*stack[0])
        makers.risen += size
        watch, whole = self._watch, self._whole
        self._whole = watch is not None and not watch.is_over
        if watch is not None:
            made = watch.take()
            rest = size - sum(made.values())
            if whole and not watch.is_over and rest > 0:  # made by the call that is under way
                made[stack] = made.get(stack, 0) + rest
            elif rest > _MISSED * size:
                made = {}
            for learning in {makers, self._asked_for}:
                learning.learn(made)
            if watch.looks >= _ENOUGH_LOOKS:
                watch.stop()
            if watch.is_over:
                self._budget.spend(watch.spent_ns)
                self._watch = None
        elif makers.worth_a_watch and not self._asked and not self._stopped and self._budget.affords():
            self._asked, self._asked_for = True, makers
            _call_in_main_thread(self._begin)
        return makers.charge(stack, size)

    def _makers_at(self, code: CodeType, instruction: int) -> _Makers:
        """Return the makers of a line: while the thread is watched, it stands at other instructions of the line."""
        makers = self._places.get((code, instruction))
        if makers is None:
            if len(self._places) >= _MOST_PLACES:
                self._places.clear()
            makers = self._places.setdefault((code, -line_of(code, instruction)), _Makers())
            self._places[code, instruction] = makers
        return makers

    def stop(self) -> None:
        """Watch nothing from now on."""
        self._stopped = True
        if self._watch is not None:
            self._watch.stop()

    def _begin(self) -> None:
        """Runs in the main thread, between two of the program's instructions."""
        if (
            self._stopped
            or not isinstance(sys.getprofile(), (NoneType, _Watch))
            or sys.gettrace() is not None
            or threading.getprofile() is not None
            or any(name in sys.modules for name in _HIDDEN_PROFILERS)
        ):
            return  # asked once and for all
        self._watch = _Watch(self._accounted, _EVENTS)
        self._asked = False
        sys.setprofile(self._watch)


class _Makers:
    """Who makes RSS rise before the main thread is seen at one place."""

    __slots__ = ("_charged", "_made", "_settled", "risen")

    def __init__(self) -> None:
        self.risen = 0  # in bytes, all in all
        self._settled = 0  # the same when watching last showed who
        self._made: dict[Stack, float] = {}
        self._charged: dict[Stack, float] = {}

    @property
    def worth_a_watch(self) -> bool:
        return self.risen - self._settled >= max(_WORTH_IT, _WORTH_AGAIN * self.risen)

    def learn(self, made: dict[Stack, int]) -> None:
        """Take note of what a watch has found."""
        if not made:
            return
        self._settled = self.risen
        for sizes in (self._made, self._charged):
            for stack in sizes:
                sizes[stack] *= _FADING
        for stack, size in made.items():
            if stack in self._made or len(self._made) < _MOST_MAKERS:
                self._made[stack] = self._made.get(stack, 0) + size

    def charge(self, stack: Stack, size: int) -> Stack:
        """Return who is charged with a rise: whoever is furthest behind its share. Nobody known: the place itself."""
        if not self._made:
            return stack
        part = (sum(self._charged.values()) + size) / sum(self._made.values())
        chosen = max(self._made, key=lambda each: part * self._made[each] - self._charged.get(each, 0))
        self._charged[chosen] = self._charged.get(chosen, 0) + size
        return chosen


class _Watch:
    """A profile function that reads RSS at a number of calls and returns in a row, and then takes itself away.

    RSS is read only if the kernel has counted page faults of the thread since, which takes half as long to ask.

    Attributes:
        spent_ns: the time that it took.
        looks: how often its findings were taken.
    """

    def __init__(self, accounted: Callable[[], Accounted], events: int) -> None:
        from resource import getrusage

        self._getrusage = getrusage
        self._accounted = accounted
        self._files = HeldReads()
        self._left = events
        self._pid = os.getpid()
        self._rises: list[tuple[Stack, int]] = []  # those that stand: a fall takes back what rose last
        self._faults = 0
        self._level = self._rss()
        self.spent_ns = self.looks = 0

    @property
    def is_over(self) -> bool:
        """Whether it watches no more."""
        return self._left <= 0

    def _rss(self) -> int:
        return int(self._files.read("statm", 64).split(None, 2)[1]) * PAGE_SIZE

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if self._left <= 0:
            self._end()
            return
        began = perf_counter_ns()
        self._left -= 1
        usage = self._getrusage(_THIS_THREAD)
        faults = usage.ru_minflt + usage.ru_majflt
        if faults != self._faults:
            self._faults = faults
            self._read(frame.f_back or frame if event == "call" else frame)
        self.spent_ns += perf_counter_ns() - began + _AROUND_NS

    def _read(self, frame: FrameType) -> None:
        """Read RSS, which a frame of this thread may have made rise."""
        if os.getpid() != self._pid:  # a forked child process
            self._end()
            return
        rss = self._rss()
        change, self._level = rss - self._level, rss
        if change < 0:
            self._fall(-change)
        elif change > 0 and self._accounted().open_since is None:  # no import, which is accounted for elsewhere
            self._rises.append((stack_of(frame), change))

    def _fall(self, size: int) -> None:
        while size > 0 and self._rises:
            stack, standing = self._rises.pop()
            if standing > size:
                self._rises.append((stack, standing - size))
            size -= standing

    def take(self) -> dict[Stack, int]:
        """Return what made RSS rise since the last call, in bytes by stack."""
        self.looks += 1
        rises, self._rises = self._rises, []
        made: dict[Stack, int] = {}
        for stack, size in rises:
            made[stack] = made.get(stack, 0) + size
        return made

    def stop(self) -> None:
        """End it: at once in the thread that is watched, at the next call or return in another."""
        self._left = 0
        if sys.getprofile() is self:
            self._end()

    def _end(self) -> None:
        """Take the profile function away, unless the program has put its own in the place, which may call this one."""
        self._left = 0
        if sys.getprofile() is self:
            sys.setprofile(None)
        self._files.close()


class _Pending:
    """Calls a function when it is asked for its truth."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __bool__(self) -> bool:
        _pending.remove(self)
        self._function()
        return False  # the interpreter takes another value for an error


def _call_in_main_thread(function: Callable[[], None]) -> None:
    """Have the main thread call a function between two of its instructions; do nothing where this cannot be."""
    try:
        import ctypes

        add, is_true = ctypes.pythonapi["Py_AddPendingCall"], ctypes.pythonapi["PyObject_IsTrue"]
    except (ImportError, AttributeError):
        return
    add.argtypes = (ctypes.c_void_p, ctypes.py_object)
    pending = _Pending(function)
    _pending.append(pending)
    if add(ctypes.cast(is_true, ctypes.c_void_p), pending):
        _pending.remove(pending)  # the interpreter has too many to make
