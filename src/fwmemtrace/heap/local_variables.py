"""Reads the local variables of every running function, which the garbage collector does not show."""

from __future__ import annotations

import sys
from threading import get_ident
from types import FrameType
from typing import Any

from ..system.thread_frames import current_frames

_OPTIMIZED = 0x1  # CO_OPTIMIZED: a function; the variables of a module or class are a namespace, which it does show
_REFERENCES_OF_OURS = 3  # to a snapshot that the program has not: the frame's, ours, and that of the call that counts


def local_variables() -> list[dict[str, Any]]:
    """Return the variables of each running function by name: in all threads, and in this one from the caller outwards.

    Until Python 3.12, reading `f_locals` leaves a copy of the variables in the frame, which would keep their values
    alive longer than the program does. So the values are removed from it again, unless the program itself refers to the
    copy, as after `locals()`: then it keeps them alive anyway.
    """
    found: list[dict[str, Any]] = []
    frames = current_frames()
    # Not this thread's: a frame that its own variables refer to outlives its call, and so would all these values.
    frames.pop(get_ident(), None)
    below: FrameType | None = sys._getframe(1)
    while True:
        while below is not None:
            found += _variables(below)
            below = below.f_back
        if not frames:
            return found
        below = frames.popitem()[1]


def _variables(frame: FrameType) -> list[dict[str, Any]]:
    code = frame.f_code
    if not code.co_flags & _OPTIMIZED:
        return []
    snapshot = frame.f_locals  # from Python 3.13 on a view of the frame, which refers to no values itself
    variables = dict(snapshot)
    if type(snapshot) is dict and sys.getrefcount(snapshot) <= _REFERENCES_OF_OURS:
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            snapshot.pop(name, None)
    return [variables]
