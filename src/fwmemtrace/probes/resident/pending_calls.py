"""Has the interpreter make calls in the main thread, between two of the program's instructions.

A pending call runs `PyObject_IsTrue` on an object of ours. A callback of `ctypes` would print and drop what a signal
handler raises in it; this passes it on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from time import perf_counter_ns

_pending: list[PendingCall] = []  # those that the interpreter still has to make


class PendingCall:
    """Calls a function when it is asked for its truth."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __bool__(self) -> bool:
        _pending.remove(self)
        self._function()
        return False  # the interpreter takes another value for an error

    @property
    def waits(self) -> bool:
        """Whether it was left for the interpreter, which has not made it yet."""
        return self in _pending


def call_in_main_thread(function: Callable[[], None]) -> PendingCall:
    """Have the main thread call a function between two of its instructions; do nothing where this cannot be."""
    pending = PendingCall(function)
    leave = _pending_call()
    if leave is not None:
        _pending.append(pending)
        if leave(pending):
            _pending.remove(pending)  # the interpreter has too many to make
    return pending


class LastingCall:
    """Tells whether the main thread has run none of its instructions since a moment: it is in one native call.

    To be used by other threads, and only while they have the interpreter.
    """

    def __init__(self) -> None:
        self._pending: PendingCall | None = None
        self._since_ns = 0

    def mark(self) -> None:
        """The moment is now, unless an earlier call lasts."""
        if self._pending is None or not self._pending.waits:
            self._since_ns = perf_counter_ns()
            self._pending = call_in_main_thread(_do_nothing)

    def lasts(self, thread: int, time_ns: int) -> bool:
        """Return whether this is the main thread, in the call that it was in when it was marked, before this time."""
        is_main = thread == threading.main_thread().ident
        return is_main and time_ns > self._since_ns and self._pending is not None and self._pending.waits


def _do_nothing() -> None:
    pass


@cache
def _pending_call() -> Callable[[PendingCall], int] | None:
    """Return a function that leaves a call for the main thread. Looked up once: ctypes makes cyclic garbage of it."""
    try:
        import ctypes

        add, is_true = ctypes.pythonapi["Py_AddPendingCall"], ctypes.pythonapi["PyObject_IsTrue"]
    except (ImportError, AttributeError):
        return None
    add.argtypes = (ctypes.c_void_p, ctypes.py_object)
    address = ctypes.cast(is_true, ctypes.c_void_p)
    return lambda pending: int(add(address, pending))
