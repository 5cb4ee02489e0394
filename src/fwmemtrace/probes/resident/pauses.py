"""The pauses between two looks at RSS, and what is seen of it meanwhile.

With the compiled core a pause is spent without the interpreter's lock: the core reads RSS in short steps and samples
the stacks of the threads that ran when it has risen. That costs a tenth of a look from here, and is exact in time.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from ... import core
from ...foreign_errors import pass_on
from ...system.held_reads import HeldReads
from ...system.own_thread import are_threads_real
from ...system.thread_frames import current_frames
from .running_threads import ThreadReading
from .stacks import Stack, own_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType, FrameType

    from ...core._compiled import RssWatch

_NS = 1_000_000_000
_FINE_STEP_NS, _LONGEST_STEP_NS = 1_000_000, 10_000_000
_MOST_KNOWN = 512  # stacks
_TEMPLATE = (lambda: None).__code__


class Reading(NamedTuple):
    """RSS at a moment of a pause.

    Attributes:
        time_ns: of `perf_counter_ns`.
        rss: in bytes.
        faults: the page faults of the process so far.
        begun: how many threads of Python's there have been.
        threads: those that ran.
        is_alone: whether there was one thread only.
    """

    time_ns: int
    rss: int
    faults: int
    begun: int
    threads: list[ThreadReading]
    is_alone: bool

    @property
    def has_stacks(self) -> bool:
        """Whether the stacks of all these threads could be read."""
        return all(thread.stack for thread in self.threads)


class Longest(NamedTuple):
    """When a pause is over, whatever is or is not read in it.

    Attributes:
        rising_s: seconds since the first reading, or since a thread has begun, of which the next look knows more.
        idle_s: seconds since its begin, while RSS stays as it is.
    """

    rising_s: float
    idle_s: float


class Pauses(Protocol):
    """Lets time pass.

    Attributes:
        sparing_s: the pause in seconds with which looks take about a percent of the time.
        is_fine: whether to read RSS every millisecond for now, whatever the pause.
    """

    sparing_s: float
    is_fine: bool

    def rest(self, pause_s: float, longest: Longest, rss: int, most: int) -> bool:
        """Wait. It keeps no new object, since a census of the program's may be under way.

        Args:
            pause_s: seconds until RSS is looked at again; it may be longer while nothing happens.
            longest: when this returns in any case.
            rss: bytes at the latest look.
            most: readings after which this returns; with 0 it returns when RSS has changed.

        Returns:
            Whether to go on; `stop` ends it.
        """

    def take(self) -> Sequence[Reading]:
        """Return what was read during the latest rest."""

    def prepare(self) -> None:
        """Get ready for the next rest, after a look."""

    def stop(self) -> None:
        """End the wait that is under way, and all later ones."""


class PlainPauses:
    """Waits for a lock, since an Event's wait takes five times as long."""

    sparing_s = 0.02

    def __init__(self) -> None:
        self.is_fine = False  # what takes the interpreter's lock each time cannot be
        self._stopped = threading.Lock()
        self._stopped.acquire()

    def rest(self, pause_s: float, longest: Longest, rss: int, most: int) -> bool:
        return not self._stopped.acquire(timeout=pause_s)

    def take(self) -> Sequence[Reading]:
        return ()

    def prepare(self) -> None:
        pass

    def stop(self) -> None:
        if self._stopped.locked():  # a signal handler may have raised in an earlier call
            self._stopped.release()


class WatchedPauses:
    """Has the core look at RSS during the pauses.

    Args:
        watch: the core's.
        files: has /proc/self/statm open.
        thread_files: returns the files that tell the page faults of threads, by native identifier.
    """

    sparing_s = 0.005

    def __init__(self, watch: RssWatch, files: HeldReads, thread_files: Callable[[], list[tuple[int, int]]]) -> None:
        self._watch = watch
        self._files = files
        self._thread_files = thread_files
        self._plain = PlainPauses()
        self.is_fine = False
        self._numbers: list[tuple[int, int]] = []  # of the threads' files
        self._codes: list[CodeType] = []
        # By numbers of codes: how many of our own frames are innermost, the others' codes, and the hash of these.
        self._known: dict[tuple[int, ...], tuple[int, tuple[CodeType, ...], int]] = {}

    def rest(self, pause_s: float, longest: Longest, rss: int, most: int) -> bool:
        step_ns = _FINE_STEP_NS if self.is_fine else int(pause_s * _NS)
        is_ours = self._watch.wait(
            self._files.number("statm"),
            self._numbers,
            rss,
            step_ns,
            step_ns if self.is_fine else max(step_ns, _LONGEST_STEP_NS),
            int(longest.rising_s * _NS),
            int(longest.idle_s * _NS),
            most,
        )
        if not is_ours:  # the program has closed the file, which is opened again by the next look
            return self._plain.rest(pause_s, longest, rss, most)
        return not self._watch.stopped

    def prepare(self) -> None:
        self._numbers = self._thread_files()

    def take(self) -> Sequence[Reading]:
        samples, new_codes, known = self._watch.take()
        if known < len(self._codes) or len(self._known) >= _MOST_KNOWN:
            del self._codes[known:]
            self._known = {}
        if new_codes:
            self._add(new_codes)
        return [
            Reading(time_ns, now, faults, begun, [self._thread(*thread) for thread in threads], is_alone)
            for time_ns, now, faults, begun, threads, is_alone in samples
        ]

    def _add(self, new_codes: list[tuple[int, str, str, int, bytes]]) -> None:
        running = _running_codes()
        for address, name, file, line, table in new_codes:
            code = running.get(address)
            if code is None or (code.co_qualname, code.co_filename, code.co_firstlineno) != (name, file, line):
                code = _TEMPLATE.replace(
                    co_name=name, co_qualname=name, co_filename=file, co_firstlineno=line, co_linetable=table
                )
            self._codes.append(code)

    def _thread(
        self,
        ident: int,
        native_id: int,
        processor_ns: int,
        faults: int,
        runs: bool,
        stack: tuple[tuple[int, ...], tuple[int, ...]],
    ) -> ThreadReading:
        numbers, instructions = stack
        known = self._known.get(numbers)
        if known is None:
            codes = [self._codes[number - 1] for number in numbers]
            first = own_frames(codes)
            theirs = tuple(codes[first:])
            known = self._known[numbers] = first, theirs, hash(theirs)
        first, theirs, key = known
        return ThreadReading(ident, native_id, processor_ns, faults, runs, Stack(theirs, instructions[first:], key))

    def stop(self) -> None:
        self._watch.stop()
        self._plain.stop()


def _running_codes() -> dict[int, CodeType]:
    """Return the code objects of all frames by their addresses: a copy of one of them would not be the same object."""
    codes: dict[int, CodeType] = {}
    for innermost in current_frames().values():
        frame: FrameType | None = innermost
        while frame is not None:
            codes[id(frame.f_code)] = frame.f_code
            frame = frame.f_back
    return codes


def pauses_for(files: HeldReads, thread_files: Callable[[], list[tuple[int, int]]]) -> Pauses:
    """Return pauses of the best kind that there is here.

    Args:
        files: those of the thread that rests.
        thread_files: returns the files that tell the page faults of threads, by native identifier.
    """
    make = getattr(core.load()[0], "RssWatch", None)
    if make is None or not are_threads_real():
        return PlainPauses()
    try:
        return WatchedPauses(make(), files, thread_files)
    except OSError as error:  # a sandbox does not let it read other threads' frames
        pass_on(error)
        return PlainPauses()
