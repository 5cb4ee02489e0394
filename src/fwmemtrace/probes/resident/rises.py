"""Attributes rises of RSS to Python stacks: which code was running while memory grew.

With the compiled core, RSS and stacks are read without the interpreter's lock, at any instruction of the program.
Without it, the thread of the timeline reads RSS and takes the stacks without letting other threads run in between, so
that both are of one moment. A call into C that holds the interpreter delays such a look until the call returns, at the
very line that made it; a call that releases the interpreter is seen while it runs.

What modules take while they are imported is left to the probe `imports`, which measures it exactly: their bytes are
subtracted from each rise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ...records import PagesCopied, Record, RssChange, SampledStack
from ...system.proc import PAGE_SIZE
from ..attribution import Accounted
from .stacks import NO_STACK, Stack, line_of

# Smaller changes are carried over to the next look: the kernel counts RSS in batches of pages per thread.
_SMALLEST_CHANGE = 128 * 1024
_SMALLEST_SHARE = 0.05  # of a rise; a thread with less goes with the others
# The end of a rise that the next look shows is not much more than the part that the look before it has seen.
_END_OF_A_RISE = 8
# A program that generates code must not fill its memory with our table.
_MOST_STACKS = 4096


class Rise(NamedTuple):
    """A thread's part of a rise of RSS.

    Attributes:
        stack: where the thread was seen.
        size: in bytes.
        runs: whether it is known to run there, and not to wait.
        is_left_alone: whether threads that have ended made RSS rise, and this is the only one left.
    """

    stack: Stack
    size: int
    runs: bool
    is_left_alone: bool


class Threads(Protocol):
    """See `RunningThreads`."""

    def advance(self) -> None:
        """Take note of who ran since the last call."""

    def stacks(self) -> Mapping[int, Stack]:
        """Return the stacks of the threads that may have made RSS rise."""

    def shares(self) -> Mapping[int, float]:
        """Return each thread's share of the rise."""

    def runs(self, thread: int) -> bool:
        """Return whether a thread is known to run, so that it is where RSS rises."""

    def is_left_alone(self, thread: int) -> bool:
        """Return whether threads that have ended made RSS rise, not this one, which is the only one left."""


class RiseSampler:
    """Turns readings of RSS into records of who made it change.

    Args:
        emit: takes a record to the sink.
        rss: the first reading, in bytes.
        accounted: returns what others account for (imports).
        threads: finds the threads that ran.
        makers: given the rises of threads and the time of the reading before, returns the stacks to charge.
        faults: returns the page faults of a forked process, which copies pages of its parent.
    """

    def __init__(
        self,
        emit: Callable[[Record], None],
        rss: int,
        accounted: Callable[[], Accounted],
        threads: Threads,
        makers: Callable[[Mapping[int, Rise], int], dict[int, Stack]] | None = None,
        faults: Callable[[], int] | None = None,
    ) -> None:
        self._read_faults = faults
        self._faults = 0 if faults is None else faults()
        self._left_to_copy = rss  # a page that was shared with the parent is copied once
        self._makers = makers
        self._emit = emit
        self._accounted = accounted
        self._threads = threads
        self._stacks: dict[int, int] = {}  # numbers by hash: the stacks would show in a census of the program's objects
        self._level = rss - accounted().bytes_at(rss)  # RSS without what others account for
        self._looked_ns = 0  # the time of the reading before
        self._seen: Mapping[int, Stack] = {}
        # The stacks of the threads that made RSS rise at the latest look, and by how much.
        self._previous: dict[int, tuple[Stack, int]] = {}
        # Rises that one of two functions of a thread made: with the stacks of both.
        self._doubtful: dict[int, tuple[RssChange, Stack, Stack]] = {}

    def look(self, rss: int, time_ns: int, accounted: Accounted | None = None, threads: Threads | None = None) -> bool:
        """Take in a reading of RSS; runs in the thread of the timeline.

        Args:
            rss: in bytes.
            time_ns: when it was read.
            accounted: what others accounted for when it was read; as of now by default.
            threads: those that ran when it was read; as of now by default.

        Returns:
            Whether RSS is rising, so that the next look should come soon.
        """
        level = rss - (self._accounted() if accounted is None else accounted).bytes_at(rss)
        if threads is None:
            threads = self._threads
        threads.advance()
        change = level - self._level
        since_ns, self._looked_ns = self._looked_ns, time_ns
        copied = 0 if self._read_faults is None else self._copied(self._read_faults(), change)
        rising = change >= _SMALLEST_CHANGE
        if copied:
            self._emit_copied(time_ns, copied)
        if rising or self._doubtful:
            self._seen = threads.stacks()
        parts = _parts(threads.shares(), change) if rising else {}
        if self._doubtful:
            self._settle(parts)
        charged: Mapping[int, Stack] = {}
        if self._makers is not None and parts:
            seen = {
                thread: Rise(
                    self._seen.get(thread, NO_STACK), part, threads.runs(thread), threads.is_left_alone(thread)
                )
                for thread, part in parts.items()
            }
            charged = self._makers(seen, since_ns)
        before, self._previous = self._previous, {}
        for thread, part in parts.items():
            stack = self._seen.get(thread, NO_STACK)
            made = RssChange(time_ns, rss, part, thread, self._number_of(charged.get(thread, stack)))
            earlier, earlier_part = before.get(thread, (stack, 0))
            if part <= _END_OF_A_RISE * earlier_part and not _same_function(earlier, stack):
                # It was rising in another function at the look before: the rise may be the end of that one's own.
                self._doubtful[thread] = made, stack, earlier
            else:
                self._emit(made)
            self._previous[thread] = stack, part
        if change <= -_SMALLEST_CHANGE:
            self._emit(RssChange(time_ns, rss, change, 0, 0))
        if abs(change) >= _SMALLEST_CHANGE:
            self._level = level
        return rising or bool(copied)

    def _copied(self, faults: int, change: int) -> int:
        """Return the bytes of pages that were copied since the last call; 0 for few, which count at the next one."""
        copied = min((faults - self._faults) * PAGE_SIZE - max(0, change), self._left_to_copy)
        if copied >= _SMALLEST_CHANGE:
            self._faults = faults
            self._left_to_copy -= copied
            return copied
        if change >= _SMALLEST_CHANGE:  # these faults made RSS rise; at the next look they would count as copies
            self._faults = min(faults, self._faults + change // PAGE_SIZE)
        return 0

    def _emit_copied(self, time_ns: int, copied: int) -> None:
        stacks = self._threads.stacks()
        shares = self._threads.shares()
        thread = max(shares, key=lambda thread: shares[thread])
        self._emit(PagesCopied(time_ns, copied, thread, self._number_of(stacks.get(thread, NO_STACK))))

    def finish(self, rss: int, time_ns: int) -> None:
        """Charge what is left to no stack, so that all changes add up to the change of RSS."""
        for change, _, _ in self._doubtful.values():
            self._emit(change)
        self._doubtful = {}
        level = rss - self._accounted().bytes_at(rss)
        if level != self._level:
            self._emit(RssChange(time_ns, rss, level - self._level, 0, 0))
            self._level = level

    def _settle(self, rising: Mapping[int, int]) -> None:
        """Decide on doubtful rises: a function that still runs and adds nothing more has not made one."""
        doubtful, self._doubtful = self._doubtful, {}
        for thread, (change, stack, before) in doubtful.items():
            now = self._seen.get(thread, stack)  # a thread that has not run is where it was
            if thread not in rising and _same_function(now, stack):
                number = self._number_of(before)
                change = RssChange(change.time_ns, change.rss_bytes, change.delta_bytes, thread, number)
            self._emit(change)

    def _number_of(self, stack: Stack) -> int:
        if not stack:
            return 0
        key = hash(stack)
        number = self._stacks.get(key)
        if number is None:
            if len(self._stacks) >= _MOST_STACKS:
                return 0
            number = self._stacks[key] = len(self._stacks) + 1
            frames = [(code.co_qualname, code.co_filename, line_of(code, at)) for code, at in stack.frames()]
            self._emit(SampledStack(number, frames))
        return number


def _same_function(one: Stack, other: Stack) -> bool:
    return bool(one) and bool(other) and one.codes[0] is other.codes[0]


def _parts(shares: Mapping[int, float], change: int) -> dict[int, int]:
    """Divide a rise among threads; the parts add up to it."""
    largest = max(shares, key=lambda thread: shares[thread])
    parts = {
        thread: int(change * share)
        for thread, share in shares.items()
        if share >= _SMALLEST_SHARE and thread != largest
    }
    parts[largest] = change - sum(parts.values())
    return parts
