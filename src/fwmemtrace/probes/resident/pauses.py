"""The pauses between two looks at RSS, and what is seen of it meanwhile.

With the compiled core a pause is spent without the interpreter's lock: the core reads RSS in short steps and samples
the stack of the main thread when it has risen. That costs a tenth of a look from here, and comes at the moment itself.
"""

from __future__ import annotations

import threading
from typing import NamedTuple, Protocol

from ... import core
from ...system.held_reads import HeldReads
from .running_threads import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from ...core._compiled import RssWatch

_NS = 1_000_000_000
_LONGEST_STEP_NS = 10_000_000
_TEMPLATE = (lambda: None).__code__


class Reading(NamedTuple):
    """RSS at a moment of a pause.

    Attributes:
        time_ns: of `perf_counter_ns`.
        rss: in bytes.
        stack: what the main thread ran; empty if RSS has fallen, or it could not be read.
    """

    time_ns: int
    rss: int
    stack: Stack


class Pauses(Protocol):
    """Lets time pass.

    Attributes:
        sparing_s: the pause in seconds with which looks take about a percent of the time.
    """

    sparing_s: float

    def rest(self, pause_s: float, longest_s: float, rss: int, most: int) -> Sequence[Reading] | None:
        """Wait.

        Args:
            pause_s: seconds until RSS is looked at again.
            longest_s: seconds until this returns in any case.
            rss: bytes at the latest look.
            most: readings after which this returns; with 0 it returns when RSS has changed.

        Returns:
            What was read meanwhile; None if `stop` was called.
        """

    def stop(self) -> None:
        """End the wait that is under way, and all later ones."""


class PlainPauses:
    """Waits for a lock, since an Event's wait takes five times as long."""

    sparing_s = 0.02

    def __init__(self) -> None:
        self._stopped = threading.Lock()
        self._stopped.acquire()

    def rest(self, pause_s: float, longest_s: float, rss: int, most: int) -> Sequence[Reading] | None:
        return None if self._stopped.acquire(timeout=pause_s) else ()

    def stop(self) -> None:
        self._stopped.release()


class WatchedPauses:
    """Has the core look at RSS during the pauses.

    Args:
        watch: the core's, for the main thread.
        files: has /proc/self/statm open.
    """

    sparing_s = 0.005

    def __init__(self, watch: RssWatch, files: HeldReads) -> None:
        self._watch = watch
        self._files = files
        self._plain = PlainPauses()
        self._codes: list[CodeType] = []

    def rest(self, pause_s: float, longest_s: float, rss: int, most: int) -> Sequence[Reading] | None:
        step_ns = int(pause_s * _NS)
        found = self._watch.wait(
            self._files.number("statm"), rss, step_ns, max(step_ns, _LONGEST_STEP_NS), int(longest_s * _NS), most
        )
        if found is None:  # the program has closed the file, which is opened again by the next look
            return self._plain.rest(pause_s, longest_s, rss, most)
        if self._watch.stopped:
            return None
        samples, new_codes, known = found
        del self._codes[known:]
        self._codes += [
            _TEMPLATE.replace(co_name=name, co_qualname=name, co_filename=file, co_firstlineno=line, co_linetable=table)
            for name, file, line, table in new_codes
        ]
        codes = self._codes
        return [
            Reading(time_ns, now, Stack(tuple([codes[number - 1] for number in numbers]), instructions))
            for time_ns, now, (numbers, instructions) in samples
        ]

    def stop(self) -> None:
        self._watch.stop()
        self._plain.stop()


def pauses_for(files: HeldReads) -> Pauses:
    """Return pauses of the best kind that there is here.

    Args:
        files: those of the thread that rests.
    """
    make = getattr(core.load()[0], "RssWatch", None)
    main = threading.main_thread().ident
    return PlainPauses() if make is None or main is None else WatchedPauses(make(main), files)
