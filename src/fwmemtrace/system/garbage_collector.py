"""Keeps Python's garbage collector from running while the tracer works.

Millions of new tuples, or a list of all objects, would make it walk over the program's whole heap again and again. And
a collection that the tracer's own objects set off would free the program's garbage in the middle of a reading.

A program whose collector stays off runs out of memory. So a signal handler may raise anywhere in here.
"""

from __future__ import annotations

import gc

from ..foreign_errors import enter_without_signals

_pauses: list[None] = []  # one for each pause of a collector that was on; a number would need a lock


def pause_collector() -> bool:
    """Switch the collector off. The next instruction must begin the `try` block at whose end it is resumed.

    Returns:
        Whether it was on, for `resume_collector`.
    """
    was_enabled = gc.isenabled()
    if was_enabled:
        try:
            _pauses.append(None)
            gc.disable()
        except BaseException:
            resume_collector(was_enabled)
            raise
    return was_enabled


@enter_without_signals
def resume_collector(was_enabled: bool) -> None:
    """Restore what `pause_collector` changed."""
    if was_enabled:
        try:
            del _pauses[:1]
        finally:
            gc.enable()


def resume_after_fork() -> None:
    """End the pauses of other threads, which do not exist in this forked child."""
    if _pauses:
        _pauses.clear()
        gc.enable()


def is_collector_on() -> bool:
    """Return whether the program has its collector on, paused or not."""
    return gc.isenabled() or bool(_pauses)


class CollectorPaused:
    """Does both around a `with` block."""

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = pause_collector()

    @enter_without_signals
    def __exit__(self, *exception: object) -> None:
        resume_collector(self._was_enabled)
