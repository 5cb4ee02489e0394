"""Attributes rises of RSS to Python stacks: which code was running while memory grew.

The thread of the timeline looks here after each reading. When RSS has risen, it takes the stack of the thread that ran
and charges the rise to it; while RSS rises it looks more often. A call into C that holds the interpreter delays that
until the call returns, at the very line that made it; a call that releases the interpreter is seen while it runs.

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

from ...records import Record, RssChange, SampledStack

# Smaller changes are carried over to the next look: the kernel counts RSS in batches of pages per thread.
_SMALLEST_CHANGE = 128 * 1024
_DEEPEST = 100  # frames of a stack, the innermost ones; recursion may be deeper
# A program that generates code must not fill its memory with our table.
_MOST_STACKS = 4096
# The end of a rise that the next look shows is not much more than the part that the look before it has seen.
_END_OF_A_RISE = 8
_RESUME = opmap.get("RESUME", -1)

# Code and line of each frame, innermost first. Code objects, not frames: a frame would keep its variables alive.
_Stack: TypeAlias = tuple[tuple[CodeType, int], ...]


class RiseSampler:
    """Turns readings of RSS into records of who made it change.

    Args:
        emit: takes a record to the sink.
        rss: the first reading, in bytes.
        attributed: given the current RSS, returns how many bytes of all changes so far others account for (imports).
        faults: returns the page faults of each thread so far, by its `threading.get_ident()`; {} if it cannot tell.
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
        self._stacks: dict[int, int] = {}  # numbers by hash: the stacks would show in a census of the program's objects
        self._faults_before: dict[int, int] = {}
        self._level = rss - attributed(rss)  # RSS without what others account for
        # The stack at the latest look, its thread, and by how much RSS had risen; None while it does not rise.
        self._previous: tuple[_Stack, int, int] | None = None
        # A rise that one of two functions made, with its stack and what `_previous` was.
        self._doubtful: tuple[RssChange, _Stack, tuple[_Stack, int, int]] | None = None

    def look(self, rss: int, time_ns: int) -> bool:
        """Take in a reading of RSS in bytes; runs in the thread of the timeline.

        Returns:
            Whether RSS is rising, so that the next look should come soon.
        """
        level = rss - self._attributed(rss)
        change = level - self._level
        rising = change >= _SMALLEST_CHANGE
        if rising or self._doubtful is not None:
            thread, stack = self._running()
            self._settle(stack, rising)
            if rising:
                self._charge(RssChange(time_ns, rss, change, thread, self._number_of(stack)), stack)
            self._previous = stack, thread, change if rising else 0
        elif self._previous is not None:
            self._previous = None
        if rising or change <= -_SMALLEST_CHANGE:
            self._level = level
        if change <= -_SMALLEST_CHANGE:
            self._emit(RssChange(time_ns, rss, change, 0, 0))
        return rising

    def finish(self, rss: int, time_ns: int) -> None:
        """Charge what is left to no stack, so that all changes add up to the change of RSS."""
        self._settle((), rising=True)
        level = rss - self._attributed(rss)
        if level != self._level:
            self._emit(RssChange(time_ns, rss, level - self._level, 0, 0))
            self._level = level

    def _charge(self, change: RssChange, stack: _Stack) -> None:
        """Emit a rise, or wait for the next look if two functions may have made it.

        If the function that ran at the look before was rising and is no longer the one that runs, the rise since then
        may be the end of its own, unless it is much larger.
        """
        before = self._previous
        if (
            before is not None
            and change.delta_bytes <= _END_OF_A_RISE * before[2]
            and not _same_function(before[0], stack)
        ):
            self._doubtful = change, stack, before
        else:
            self._emit(change)

    def _settle(self, stack: _Stack, rising: bool) -> None:
        """Decide on a doubtful rise: a function that still runs and adds nothing more has not made it."""
        if self._doubtful is None:
            return
        change, at_end, (before, thread, _) = self._doubtful
        self._doubtful = None
        if not rising and _same_function(stack, at_end):
            change = RssChange(change.time_ns, change.rss_bytes, change.delta_bytes, thread, self._number_of(before))
        self._emit(change)

    def _running(self) -> tuple[int, _Stack]:
        """The thread that most likely made RSS rise, and its stack."""
        frames = sys._current_frames()
        frames.pop(get_ident(), None)
        if not frames:
            return 0, ()
        thread = self._busiest(frames) if len(frames) > 1 else next(iter(frames))
        stack = _stack_of(frames[thread])
        del frames  # frames keep every variable of the program alive
        return thread, stack

    def _busiest(self, frames: dict[int, FrameType]) -> int:
        """Of several threads, the one that faulted in most pages since the last rise."""
        faults = self._faults()
        before, self._faults_before = self._faults_before, faults
        return max(frames, key=lambda thread: faults.get(thread, 0) - before.get(thread, 0))

    def _number_of(self, stack: _Stack) -> int:
        if not stack:
            return 0
        key = hash(stack)
        number = self._stacks.get(key)
        if number is None:
            if len(self._stacks) >= _MOST_STACKS:
                return 0
            number = self._stacks[key] = len(self._stacks) + 1
            frames = [(code.co_qualname, code.co_filename, line) for code, line in stack]
            self._emit(SampledStack(number, frames))
        return number


def _stack_of(innermost: FrameType) -> _Stack:
    frame: FrameType | None = innermost
    if _just_entered(innermost):
        # The interpreter was handed over at the entry of a function, of which nothing has run: it was the caller.
        frame = innermost.f_back or innermost
    stack: list[tuple[CodeType, int]] = []
    while frame is not None and len(stack) < _DEEPEST:
        stack.append((frame.f_code, frame.f_lineno or 0))
        frame = frame.f_back
    return tuple(stack)


def _same_function(one: _Stack, other: _Stack) -> bool:
    return bool(one) and bool(other) and one[0][0] is other[0][0]


def _just_entered(frame: FrameType) -> bool:
    code = frame.f_code
    if frame.f_lineno != code.co_firstlineno:  # cheaper to ask than for the bytecode
        return False
    return 0 <= frame.f_lasti < len(code.co_code) and code.co_code[frame.f_lasti] == _RESUME
