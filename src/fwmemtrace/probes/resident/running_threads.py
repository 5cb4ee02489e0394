"""Finds the threads that may have made RSS rise, and each one's share of a rise.

Processor time shows which threads ran, page faults which touched new memory; the kernel counts both for each thread.
Faults of no Python thread are those of native threads, such as a library's pool. They count for the Python thread that
waits for them.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Mapping
from functools import cache
from os.path import dirname
from types import FrameType, MappingProxyType
from typing import NamedTuple

from ...packages import package_of
from ...system.held_reads import HeldReads
from ...system.thread_frames import current_frames
from ...system.threads import file_of, forget, page_faults, processor_time_ns
from .stacks import OURS, Stack, stack_of

_MOST_CANDIDATES = 8
# Of all page faults: with fewer, the two figures merely differ in what they count.
_NATIVE_SHARE = 0.2
_OWN_SHARE = 0.5  # of the page faults: with fewer, a thread has not made RSS rise, but others that have ended
_RAN_NS = 20_000  # processor time since the look before; a thread that is merely woken up takes less
_STANDARD_LIBRARY = dirname(threading.__file__)
# Where threads wait for work. One that waits anywhere else may wait for native threads that do its work.
_IDLE_FILES = (
    "/threading.py",
    "/queue.py",
    "/selectors.py",
    "/socketserver.py",
    "/futures/thread.py",
    "/connection.py",
)


_NOTHING_KNOWN: Mapping[int, Stack] = MappingProxyType({})


class ThreadReading(NamedTuple):
    """What was read of a thread while it ran.

    Attributes:
        ident: Python's identifier.
        native_id: the kernel's.
        processor_ns: its processor time since it began, in nanoseconds.
        faults: its page faults since it began; -1 if they are not known.
        runs: whether it is known to run, or to be ready to; others may wait for something.
        stack: what it ran; empty if that could not be read.
    """

    ident: int
    native_id: int
    processor_ns: int
    faults: int
    runs: bool
    stack: Stack


class RunningThreads:
    """Knows which threads ran since the last look, all but the one that looks.

    Args:
        files: reads the figures of threads.
        all_faults: returns the page faults of the process so far; -1 if they are not counted.
    """

    def __init__(self, files: HeldReads, all_faults: Callable[[], int]) -> None:
        self._files = files
        self._all_faults = all_faults
        self._all_before = self._all_new = 0
        self._was_alone = False  # at the look before: whether the main thread was the only one
        # At the latest reading: page faults of the main thread and of all, and how many threads there had been.
        self._main_faults = -1, 0, 0
        self._is_left_alone = False
        self._main = threading.main_thread().ident or 0
        # By native identifier: the other one is soon that of another thread.
        self._processor_ns: dict[int, int] = {}
        self._faults: dict[int, int] = {}
        self._credited: dict[int, int] = {}  # page faults charged to new threads, whose own could not be read yet
        self._new_faults: dict[int, int] = {}  # since the look before
        self._order: dict[int, None] = {}  # threads by when they ran last, the latest last
        self._ran: list[int] = []
        self._waits: int | None = None

    def advance(self) -> None:
        """Take note of who ran since the last call."""
        self._is_left_alone = False
        self._new_faults, self._all_new = {}, 0
        if _thread._count() == 1:  # the one that looks; the main thread is not counted
            self._processor_ns, self._ran = {}, [self._main]
            self._all_before, self._was_alone = self._all_faults(), True
            self._note_main_faults()
            return
        own = threading.get_ident()
        native = {
            thread.ident: thread.native_id
            for thread in threading.enumerate()
            if thread.ident is not None and thread.ident != own and thread.native_id is not None
        }
        was_alone, self._was_alone = self._was_alone, False
        before, is_first = self._processor_ns, not self._processor_ns and not was_alone
        all_before, self._all_before = self._all_before, self._all_faults()
        if not is_first:
            self._all_new = self._all_before - all_before
        self._processor_ns = {number: processor_time_ns(number) or 0 for number in native.values()}
        took = {thread: self._processor_ns[number] - before.get(number, 0) for thread, number in native.items()}
        ran = sorted((thread for thread in took if took[thread] >= _RAN_NS), key=lambda thread: -took[thread])
        self._ran = ran[:_MOST_CANDIDATES]
        older = []  # of which it is not known how many they had before
        for thread in self._ran:
            number = native[thread]
            faults = page_faults(number, self._files)
            if faults is None:
                continue
            is_known = number in self._faults or number in self._credited or number not in before
            if (was_alone and thread == self._main) or not is_known:
                self._new_faults[thread] = 0
                older.append(thread)
            else:
                at_begin = faults if is_first else self._credited.pop(number, 0)
                self._new_faults[thread] = faults - self._faults.get(number, at_begin)
            self._faults[number] = faults
        if not is_first:
            self._share_rest(older, took)
            # Threads have run on since those of all were read.
            self._all_new = max(self._all_new, sum(self._new_faults.values()))
            self._all_before = all_before + self._all_new
        for number in self._faults.keys() - self._processor_ns.keys():
            del self._faults[number]
            forget(number, self._files)
        for number in self._credited.keys() - self._processor_ns.keys():
            del self._credited[number]
        self._note_order(ran)
        for thread in self._order.keys() - native.keys():
            del self._order[thread]
        self._note_main_faults()

    def _note_main_faults(self) -> None:
        """Have the next reading compare with now: what ended threads made before has been charged."""
        before, _, begun = self._main_faults
        native_id = threading.main_thread().native_id
        if before >= 0 and native_id is not None:
            faults = page_faults(native_id, self._files)
            self._main_faults = -1 if faults is None else faults, self._all_before, begun

    def advance_to(self, readings: list[ThreadReading], all_faults: int, begun: int, *, is_alone: bool) -> None:
        """Take note of who ran since the last call, by what was read at a moment since then.

        Args:
            readings: of the threads that ran.
            all_faults: the page faults of the process.
            begun: how many threads of Python's there have been.
            is_alone: whether there was one thread only, whose processor time was not read.
        """
        self._all_new, self._all_before = all_faults - self._all_before, all_faults
        self._new_faults = {}
        self._is_left_alone = False
        main_before, all_before, begun_before = self._main_faults
        main_faults = next((one.faults for one in readings if one.ident == self._main), main_before)
        # If there are others now, they may have ended at the next call.
        self._main_faults = main_faults, all_faults, begun if is_alone else 0
        if is_alone:
            if min(main_faults, main_before) >= 0 and begun != begun_before:
                self._is_left_alone = main_faults - main_before < _OWN_SHARE * (all_faults - all_before)
            self._processor_ns, self._ran, self._was_alone = {}, [readings[0].ident], True
            return
        self._was_alone = False
        took = {one.ident: one.processor_ns - self._processor_ns.get(one.native_id, 0) for one in readings}
        readings = [one for one in readings if took[one.ident] >= _RAN_NS]
        readings.sort(key=lambda one: -took[one.ident])
        self._ran = [one.ident for one in readings]
        unknown, new = [], []
        for one in readings:
            if one.faults >= 0 and one.native_id in self._faults:
                self._new_faults[one.ident] = one.faults - self._faults[one.native_id]
                self._faults[one.native_id] = one.faults
            else:
                unknown.append(one.ident)
                if one.native_id not in self._processor_ns or one.native_id in self._credited:
                    new.append(one)
            self._processor_ns[one.native_id] = one.processor_ns
        self._share_rest(unknown, took)
        for one in new:
            self._credited[one.native_id] = self._credited.get(one.native_id, 0) + self._new_faults[one.ident]
        self._note_order(self._ran)

    def _share_rest(self, threads: list[int], took: dict[int, int]) -> None:
        """Share out the page faults that no other thread has had, by the processor time that each thread took."""
        rest = max(0, self._all_new - sum(self._new_faults.values()))
        whole = sum(took[thread] for thread in threads)
        for thread in threads:
            self._new_faults[thread] = rest * took[thread] // whole

    def _note_order(self, ran: list[int]) -> None:
        for thread in reversed(ran):
            self._order.pop(thread, None)
            self._order[thread] = None

    def files(self) -> list[tuple[int, int]]:
        """Return the native identifiers of threads, the main one and those that ran, and their files; see `file_of`."""
        found = []
        main = threading.main_thread().native_id
        for number in {*self._faults, main} if main is not None else self._faults:
            try:
                found.append((number, file_of(number, self._files)))
            except OSError:  # it has ended
                pass
        return found

    def stacks(self, known: Mapping[int, Stack] = _NOTHING_KNOWN) -> dict[int, Stack]:
        """Return the stacks of the threads that may have made RSS rise before the last `advance`, by their identifiers.

        The thread that had the interpreter's lock has just released it, so the stacks are those of this moment.

        Args:
            known: those of threads that were read before.
        """
        frames = current_frames()
        frames.pop(threading.get_ident(), None)
        self._ran = [thread for thread in self._ran if thread in frames or thread in known]
        waiting = (thread for thread in reversed(self._order) if thread not in self._ran and thread in frames)
        self._waits = next((thread for thread in waiting if not _idle(frames[thread])), None)
        if not self._ran and self._waits is None:
            self._ran = [*frames][:1]
        chosen = self._ran if self._waits is None else [*self._ran, self._waits]
        stacks = {thread: known[thread] if thread in known else stack_of(frames[thread]) for thread in chosen}
        return {
            thread: stack if thread == self._main else self._with_waiter(stack, frames)
            for thread, stack in stacks.items()
        }

    def _with_waiter(self, stack: Stack, frames: dict[int, FrameType]) -> Stack:
        """Return a stack, and below it that of the thread that waits for its result if only that is the program's."""
        if any(_is_program_code(code.co_filename) for code in stack.codes):
            return stack
        for thread in reversed([*frames.keys() - self._order.keys(), *self._order]):
            if thread in frames and _idle(frames[thread]):  # one that was known may have ended
                waiter = stack_of(frames[thread])
                if any(_is_program_code(code.co_filename) for code in waiter.codes):
                    return Stack(
                        stack.codes + waiter.codes,
                        stack.instructions + waiter.instructions,
                        hash((stack.key, waiter.key)),
                    )
        return stack

    def shares(self) -> dict[int, float]:
        """Return the share of each thread in `stacks` of the rise before the last `advance`; the shares add up to 1."""
        weights: dict[int, float] = {
            thread: faults for thread, faults in self._new_faults.items() if thread in self._ran
        }
        by_native_threads = self._all_new - sum(weights.values())
        if self._waits is not None and by_native_threads > _NATIVE_SHARE * self._all_new:
            weights[self._waits] = by_native_threads
        total = sum(weights.values())
        if not total:
            alone = self._ran[0] if self._ran else self._waits or 0
            return {alone: 1.0}
        return {thread: weight / total for thread, weight in weights.items() if weight}

    def runs(self, thread: int) -> bool:
        """Return whether a thread is known to run, which is not known of any here: they wait for the interpreter."""
        return False

    def is_left_alone(self, thread: int) -> bool:
        """Return whether a thread is the only one, and others that have ended had most of the page faults before."""
        return self._is_left_alone and thread == self._main


@cache
def _is_program_code(file: str) -> bool:
    return not (file.startswith(("<", _STANDARD_LIBRARY, OURS)) or package_of(file))


def _idle(frame: FrameType) -> bool:
    return frame.f_code.co_filename.endswith(_IDLE_FILES)
