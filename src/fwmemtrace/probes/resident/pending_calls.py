"""Has the interpreter make calls in the main thread, between two of the program's instructions.

A pending call runs `PyObject_IsTrue` on an object of ours. A callback of `ctypes` would print and drop what a signal
handler raises in it; this passes it on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from time import perf_counter_ns
from typing import NamedTuple

_calls: list[_Call] = []  # those that the interpreter still has to make, or makes now
_marks: list[set[None]] = []  # those that it may still have to clear; it has no references of its own


class _Call:
    """Calls a function when it is asked for its truth."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def __bool__(self) -> bool:
        try:
            self._function()
        finally:
            _calls.remove(self)
        return False  # the interpreter takes another value for an error


def call_in_main_thread(function: Callable[[], None]) -> bool:
    """Have the main thread call a function between two of its instructions.

    Returns:
        Whether it will: not while another call is under way, nor where there are no such calls.
    """
    api = _api()
    if api is None or _calls:
        return False
    call = _Call(function)
    _calls.append(call)
    if api.leave_call(call):  # the interpreter has too many to make
        _calls.remove(call)
        return False
    return True


class LastingCall:
    """Tells whether the main thread has run none of its instructions since a moment: it is in one native call.

    The interpreter clears a set between two of them. To be used by other threads, and only while they have the
    interpreter.
    """

    def __init__(self) -> None:
        self._mark: set[None] = set()
        self._since_ns = 0

    def mark(self) -> None:
        """The moment is now, unless an earlier call lasts."""
        api = _api()
        # Where there is a profile function, Python 3.11 does not get past the first instruction of a function that a
        # pending call runs, once another one has been added meanwhile.
        if self._mark or _calls or api is None:
            return
        _marks[:] = [mark for mark in _marks if mark]
        self._since_ns = perf_counter_ns()
        self._mark = {None}
        _marks.append(self._mark)
        if api.leave_clear(self._mark):
            self._mark.clear()

    def lasts(self, thread: int, since_ns: int) -> bool:
        """Return whether this is the main thread, and has been in one call since this time."""
        return bool(self._mark) and since_ns > self._since_ns and thread == threading.main_thread().ident


class _Api(NamedTuple):
    """Functions of the interpreter's that leave something for the main thread; they return 0 if that was possible."""

    leave_call: Callable[[_Call], int]
    leave_clear: Callable[[set[None]], int]


@cache
def _api() -> _Api | None:
    """Return them. They are looked up once: ctypes makes cyclic garbage of it."""
    try:
        import ctypes

        api = ctypes.pythonapi
        add, is_true, clear = api["Py_AddPendingCall"], api["PyObject_IsTrue"], api["PySet_Clear"]
    except (ImportError, AttributeError):
        return None
    add.argtypes = (ctypes.c_void_p, ctypes.py_object)
    true_at, clear_at = ctypes.cast(is_true, ctypes.c_void_p), ctypes.cast(clear, ctypes.c_void_p)
    return _Api(lambda call: int(add(true_at, call)), lambda mark: int(add(clear_at, mark)))
