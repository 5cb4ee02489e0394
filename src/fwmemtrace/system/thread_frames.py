"""The frames that this interpreter's threads run."""

from __future__ import annotations

import sys

from .. import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def current_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread of this interpreter by the thread's identifier.

    `sys._current_frames` has those of subinterpreters too. From Python 3.12 on these may have a lock of their own and
    run on meanwhile, and the process crashes; so it is called only where there is no core.
    """
    read: Callable[[], dict[int, FrameType]] = getattr(core.load()[0], "thread_frames", sys._current_frames)
    return read()
