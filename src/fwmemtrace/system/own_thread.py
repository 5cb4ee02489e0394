"""Runs a thread of the tracer's beside those of the program."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable

_C_FUNCTION: type = type(len)


def are_threads_real() -> bool:
    """Return whether new threads are those of the system.

    gevent and eventlet make greenlets of them: one that waits in C stops them all, and the program with them.
    """
    return type(_thread.start_new_thread) is _C_FUNCTION


class OwnThread:
    """A daemon thread, which begins at once.

    It is not a `threading.Thread`, which would run the program's profile and trace functions for threads first: they
    would see the tracer's calls, and one that raises would end the thread. memray's is kept, since allocations of a
    thread without it have no Python stack.

    Args:
        run: what it does. It must raise nothing.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self._over = threading.Lock()
        self._over.acquire()
        self._ident = _thread.start_new_thread(self._bootstrap, ())

    def _bootstrap(self) -> None:
        try:
            function = threading.getprofile()
            if function is not None and function is getattr(
                sys.modules.get("memray._memray"), "start_thread_trace", None
            ):
                sys.setprofile(function)
            self._run()
        finally:
            self._over.release()

    def join(self, timeout: float) -> bool:
        """Wait for its end, unless called in this thread itself.

        Args:
            timeout: in seconds.

        Returns:
            Whether it has ended.
        """
        if self._ident == threading.get_ident() or not self._over.acquire(timeout=timeout):
            return False
        self._over.release()
        return True
