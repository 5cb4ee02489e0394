"""Keeps memray to the libraries of a capture where it names C and C++ frames.

memray leaves the names to libbacktrace, and has it read each library of a capture along with the records. But at the
first frame in a library without debugging information, or in one that is gone, libbacktrace falls back on what it was
made for, naming the frames of its own process: it reads all libraries of the *reading* process too, anew for each such
library. That takes about a tenth of a second each time, and a name could come from a library of the reader's, if it
lies where another one lay in the traced process. So that one step of libbacktrace's is replaced here.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from typing import Any

from ..elf import jump_slot

_STEP = "backtrace_initialize"
_SYMBOLS = 5  # where `syminfo_fn` is in libbacktrace's `struct backtrace_state`, in pointers
_POINTER, _POINTERS = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
# State, file name, its descriptor, error callback and its argument, where to put the function that finds lines.
_PROTOTYPE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTERS, ctypes.c_char_p, ctypes.c_int, _POINTER, _POINTER, _POINTERS)


@cache  # also keeps what memray calls from here on
def keep_to_capture() -> Any:
    """Have memray take the names of frames from the capture's libraries alone, from here on in this process.

    Returns:
        What stands in for libbacktrace's step. None, and nothing is changed, where memray was built in another way than
        its wheels for Linux are, or with another libbacktrace: names just take longer then.
    """
    from memray import _memray

    slot = jump_slot(_memray.__file__, _STEP)
    if slot is None:
        return None
    library = ctypes.CDLL(_memray.__file__)
    try:
        step, symbols, nothing = (_address(library[name]) for name in (_STEP, "elf_syminfo", "elf_nosyms"))
    except AttributeError:
        return None
    replacement = _PROTOTYPE(_done_with_what_was_read(symbols, nothing))
    place, function = slot
    _POINTER.from_address(step - function + place).value = _address(replacement)
    return replacement


def _done_with_what_was_read(symbols: int, nothing: int) -> Callable[..., int]:
    """A `backtrace_initialize` that reads nothing.

    Args:
        symbols: the address of libbacktrace's function that names frames by the symbols that were read.
        nothing: that of its function for where there is nothing to go by.
    """

    def initialize(state: Any, _name: bytes, descriptor: int, _error: int, _argument: int, lines: Any) -> int:
        os.close(descriptor)  # opened for this step, which has to close it
        if state[_SYMBOLS] not in (None, symbols, nothing):
            return 0  # this is no state as we know it: no names
        state[_SYMBOLS] = symbols  # of a library without any, and one that is gone, it says that the name is unknown
        lines[0] = nothing
        return 1

    return initialize


def _address(function: Any) -> int:
    return ctypes.cast(function, _POINTER).value or 0
