"""The local variables of every running function, which the collector does not show."""

from __future__ import annotations

import sys
from threading import get_ident
from types import FrameType
from typing import Any

_OPTIMIZED = 0x1  # CO_OPTIMIZED: a function's body; of a module or class the variables are a namespace, seen elsewhere
_OURS_ALONE = 3  # references to a snapshot that nobody else has: the frame's, ours, and the call that counts them


def local_variables() -> list[dict[str, Any]]:
    """The variables of each running function by their names, in all threads, the calling function's and outwards.

    Until Python 3.12 reading `f_locals` leaves a copy of the variables in the frame, which would keep their values
    alive longer than the program does. So what the reading put there is taken out again, unless the program itself has
    its hands on that copy, as with `locals()`: then it keeps them alive anyway.
    """
    found: list[dict[str, Any]] = []
    frames = sys._current_frames()
    # Not our own: a frame that its own variables refer to outlives its call, and so would all these values.
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
    snapshot = frame.f_locals  # from Python 3.13 on a view of the frame, which does not refer to the values itself
    variables = dict(snapshot)
    if type(snapshot) is dict and sys.getrefcount(snapshot) <= _OURS_ALONE:
        for name in (*code.co_varnames, *code.co_cellvars, *code.co_freevars):
            snapshot.pop(name, None)
    return [variables]
