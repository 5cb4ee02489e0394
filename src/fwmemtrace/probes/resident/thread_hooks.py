"""Sets the profile function of other threads, of those that have none.

Python 3.12 has `threading.setprofile_all_threads`, which overwrites what a program has set. What it calls for each
thread is in Python 3.11 too, but takes the C function that calls a profile function in Python. That function, and where
a thread keeps it, are found by setting one in the calling thread.

A thread that ends frees its state, so all states are visited without running a bytecode in between: the loops are those
of `itertools`, which keep the interpreter's lock, and the collector, which may run finalisers, is off.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from itertools import accumulate, chain, filterfalse, repeat, takewhile
from typing import Any

from ...system.garbage_collector import CollectorPaused

_WORDS = 40  # of a thread's state, at its beginning; it has more
# The fields are c_profilefunc, c_tracefunc, c_profileobj and c_traceobj; see PyThreadState in cpython/pystate.h.
_PROFILE_FUNCTION, _TRACE_FUNCTION, _TRACE_OBJECT = -2, -1, 1


class ThreadHooks:
    """Made in a thread of the tracer's own, which is left out from then on.

    Raises:
        OSError: if the states of threads are not known to be as expected here.
    """

    def __init__(self) -> None:
        if sys.implementation.name != "cpython" or sys.version_info[:2] != (3, 11):
            raise OSError("the states of threads are those of another interpreter than Python 3.11")
        import ctypes

        api = ctypes.pythonapi
        set_profile, current = api["_PyEval_SetProfile"], api["PyThreadState_Get"]
        interpreter, head = api["PyInterpreterState_Main"], api["PyInterpreterState_ThreadHead"]
        following = api["PyThreadState_Next"]
        for function in (head, following, interpreter, current):
            function.restype = ctypes.c_void_p
        head.argtypes = (ctypes.c_void_p,)
        following.argtypes = (ctypes.c_void_p, ctypes.c_void_p)  # `accumulate` passes a second argument
        set_profile.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object)
        main = (interpreter(),)
        # The first of them, too, is not asked for before the loop begins.
        self._states: Callable[[], Iterable[int]] = lambda: takewhile(
            bool, accumulate(chain(map(head, main), repeat(None)), following)
        )
        self._current, self._set_profile = current, set_profile
        self._words = (ctypes.c_size_t * _WORDS).from_address
        self._unpack = (ctypes.c_size_t * _WORDS).from_buffer_copy
        self._own = current()
        self._at, self._function = self._find()

    def _find(self) -> tuple[int, int]:
        """Return which word of a state is the object of its profile function, and the C function that calls it."""

        def function(*_: Any) -> None:
            """Do nothing."""

        before = sys.getprofile()
        sys.setprofile(function)
        (words,) = self._snapshot([self._own])
        sys.setprofile(before)
        (later,) = self._snapshot([self._own])
        found = [number for number, word in enumerate(words[:-1]) if word == id(function)]
        if len(found) == 1 and found[0] >= -_PROFILE_FUNCTION:
            at = found[0]
            others = (words[at + _TRACE_FUNCTION], words[at + _TRACE_OBJECT], later[at], later[at + _PROFILE_FUNCTION])
            if words[at + _PROFILE_FUNCTION] and not any(others):
                return at, words[at + _PROFILE_FUNCTION]
        raise OSError("the states of threads are not as expected")

    def _snapshot(self, states: Iterable[int]) -> list[Any]:
        with CollectorPaused():
            return list(map(self._unpack, map(bytes, map(self._words, states))))

    def any_but(self, ours: object) -> bool:
        """Tell whether any thread has a trace function, or another profile function than this one."""
        return any(
            words[self._at + _TRACE_FUNCTION] or (words[self._at + _PROFILE_FUNCTION] and words[self._at] != id(ours))
            for words in self._snapshot(self._states())
        )

    def set(self, function: Callable[..., object]) -> None:
        """Set the profile function of all threads but the calling one and the tracer's."""
        left_out = {self._own, self._current()}
        states = filterfalse(left_out.__contains__, self._states())
        with CollectorPaused():
            deque(map(self._set_profile, states, repeat(self._function), repeat(function)), maxlen=0)
