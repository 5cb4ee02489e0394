"""Keeps Python's garbage collector from running while large temporary lists exist.

Millions of new tuples, or a list of all objects, would make it walk over the program's whole heap again and again.
"""

from __future__ import annotations

import gc


def pause_collector() -> bool:
    """Switch the collector off.

    Returns:
        Whether it was on, for `resume_collector`.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    return was_enabled


def resume_collector(was_enabled: bool) -> None:
    """Restore what `pause_collector` changed."""
    if was_enabled:
        gc.enable()


class CollectorPaused:
    """Does both around a `with` block."""

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = pause_collector()

    def __exit__(self, *exception: object) -> None:
        resume_collector(self._was_enabled)
