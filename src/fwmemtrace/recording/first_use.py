"""The session that the environment asks for: it begins when the first phase is named, in whatever thread that is."""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident

from ..tracing import active

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_WAIT_S = 5.0  # of a thread for the session: the one that starts it may wait for that thread's own locks


class FirstUse:
    """Starts a session once. Other threads that name a phase meanwhile wait until it is on, or their calls are lost.

    Args:
        start: starts the session.

    Attributes:
        is_starting: whether the calling thread is starting it now.
    """

    def __init__(self, start: Callable[[], None]) -> None:
        self._start = start
        self._lock = allocate_lock()
        self._starter = 0
        self._is_over = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    @property
    def is_starting(self) -> bool:
        return self._starter == get_ident()

    def __call__(self) -> None:
        if self.is_starting:  # this is a signal handler or a finaliser
            return
        is_alone = False
        try:
            is_alone = self._lock.acquire(timeout=_LONGEST_WAIT_S)
            if is_alone and not self._is_over:
                self._starter = get_ident()
                self._start()
                self._is_over = True
            active.at_first_use(None)  # not if a signal handler has raised: the next phase tries again
        finally:
            if is_alone:
                self._starter = 0
                self._lock.release()

    def _after_fork(self) -> None:
        """This is a forked child. What another thread was starting is not started here: its modules are half loaded."""
        if self._starter and not self.is_starting:
            self._starter = 0
            self._lock = allocate_lock()
            active.at_first_use(None)
