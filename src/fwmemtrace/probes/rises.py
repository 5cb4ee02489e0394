"""Attributes rises of RSS to Python stacks: which code was running while memory grew.

The thread of the timeline looks here after each reading. When RSS has risen, it takes the stack of the thread that ran and
charges the rise to it; while RSS rises it looks more often. A call into C that holds the interpreter delays the look until
the call returns, at the very line that made it; a call that releases the interpreter is seen while it runs.

What modules take while they are imported is left to the probe `imports`, which measures it exactly: their bytes are
subtracted from each rise.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from opcode import opmap
from types import CodeType, FrameType
from typing import TypeAlias

from ..records import Record, RssChange, SampledStack

# Smaller changes are carried over to the next look: the kernel counts RSS in batches of pages per thread.
_SMALLEST_CHANGE = 128 * 1024
_DEEPEST = 100  # frames of a stack, the innermost ones; recursion may be deeper
# A program that generates code must not fill its memory with our table.
_MOST_STACKS = 4096
_RESUME = opmap.get("RESUME", -1)

# Code and line of each frame, innermost first. Code objects, not frames: a frame would keep its variables alive.
_Stack: TypeAlias = tuple[tuple[CodeType, int], ...]


class RiseSampler:
    """Turns readings of RSS into records of who made it change.

    Args:
        emit: takes a record to the sink.
        rss: the first reading, in bytes.
        attributed: given the current RSS, returns how many bytes of all changes so far others account for (imports).
        faults: returns the page faults of each thread so far, by its `threading.get_ident()`; {} where they cannot be read.
    """

    def __init__(
        self,
        emit: Callable[[Record], None],
        rss: int,
        attributed: Callable[[int], int],
        faults: Callable[[], dict[int, int]],
    ) -> None:
        self._emit = emit
        self._attributed = attributed
        self._faults = faults
        self._own_thread = 0
        self._stacks: dict[_Stack, int] = {}
        self._faults_before: dict[int, int] = {}
        self._level = rss - attributed(rss)  # RSS without what others account for

    def look(self, rss: int, time_ns: int) -> bool:
        """Take in a reading of RSS in bytes; runs in the thread of the timeline.

        Returns:
            Whether RSS rose, so that the next look should come soon.
        """
        level = rss - self._attributed(rss)
        change = level - self._level
        if abs(change) < _SMALLEST_CHANGE:
            return False
        self._level = level
        if change < 0:
            self._emit(RssChange(time_ns, rss, change, 0, 0))
            return False
        thread, stack = self._running()
        self._emit(RssChange(time_ns, rss, change, thread, stack))
        return True

    def finish(self, rss: int, time_ns: int) -> None:
        """Charge what is left to no stack, so that all changes add up to the change of RSS."""
        level = rss - self._attributed(rss)
        if level != self._level:
            self._emit(RssChange(time_ns, rss, level - self._level, 0, 0))
            self._level = level

    def _running(self) -> tuple[int, int]:
        """The thread that most likely made RSS rise, and the number of its stack."""
        frames = sys._current_frames()
        frames.pop(get_ident(), None)
        if not frames:
            return 0, 0
        thread = self._busiest(frames) if len(frames) > 1 else next(iter(frames))
        stack = _stack_of(frames[thread])
        del frames  # frames keep every variable of the program alive
        return thread, self._number_of(stack)

    def _busiest(self, frames: dict[int, FrameType]) -> int:
        """Of several threads, the one that faulted in most pages since the last rise."""
        faults = self._faults()
        before, self._faults_before = self._faults_before, faults
        return max(frames, key=lambda thread: faults.get(thread, 0) - before.get(thread, 0))

    def _number_of(self, stack: _Stack) -> int:
        number = self._stacks.get(stack)
        if number is None:
            if len(self._stacks) >= _MOST_STACKS:
                return 0
            number = self._stacks[stack] = len(self._stacks) + 1
            frames = [(code.co_qualname, code.co_filename, line) for code, line in stack]
            self._emit(SampledStack(number, frames))
        return number


def _stack_of(innermost: FrameType) -> _Stack:
    frame: FrameType | None = innermost
    if _just_entered(innermost):
        # The interpreter was handed over at the entry of a function: nothing of it has run, so the rise is its caller's.
        frame = innermost.f_back or innermost
    stack = []
    while frame is not None and len(stack) < _DEEPEST:
        stack.append((frame.f_code, frame.f_lineno or 0))
        frame = frame.f_back
    return tuple(stack)


def _just_entered(frame: FrameType) -> bool:
    code = frame.f_code.co_code
    return 0 <= frame.f_lasti < len(code) and code[frame.f_lasti] == _RESUME and frame.f_lineno == frame.f_code.co_firstlineno
