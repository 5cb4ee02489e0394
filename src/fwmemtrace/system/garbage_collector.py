"""Keeps Python's garbage collector from running while large temporary lists exist."""

from __future__ import annotations

import gc


class CollectorPaused:
    """Switches the collector off for a `with` block, and back on afterwards if it was on.

    Millions of new tuples, or a list of all objects, would make it walk over the program's whole heap again and again.
    """

    __slots__ = ("_was_enabled",)

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        if self._was_enabled:
            gc.enable()
