"""Tells exceptions of the program's own, which land in our code by chance, from those of our code.

Python runs signal handlers between any two instructions of the main thread, and raises in a thread what another one
has asked for (PyThreadState_SetAsyncExc). So a soft time limit may raise in the middle of an edge. Such an exception is
the program's, and must reach it.
"""

from __future__ import annotations

import errno
from os.path import dirname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

_OURS = dirname(__file__)
_PASSING = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_RESUME = (lambda: None).__code__.co_code[0]
_AFTER_AWAIT = 3
_WITHOUT_ARGUMENTS = (MemoryError, RecursionError, StopIteration, NotImplementedError)


def is_the_programs(error: BaseException) -> bool:
    """Tell whether an exception that was caught in our code belongs to the program.

    What a probe or a sink of the user's raises does not: it has failed.
    """
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit, and what frameworks derive from the base
        return True
    step = error.__traceback__
    innermost = None
    while step is not None:
        innermost = step.tb_frame
        if _is_handler(innermost):
            return True
        step = step.tb_next
    if innermost is None or not innermost.f_code.co_filename.startswith(_OURS):
        return False
    # It was raised in our code itself: by a C function, which says why, or by another thread, which names a type only.
    return not error.args and not isinstance(error, _WITHOUT_ARGUMENTS)


def pass_on(error: BaseException) -> None:
    """Raise an exception that was caught in our code again if it belongs to the program.

    A signal handler may raise any class, `TimeoutError` above all, which is an `OSError`.
    """
    if is_the_programs(error):
        raise error


def is_passing(error: BaseException) -> bool:
    """Tell whether an error says that the process lacks memory, descriptors or the like now, and may have it later."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING)


def _is_handler(frame: FrameType) -> bool:
    """Tell whether a frame is that of a signal handler: it is called with a signal and the frame that it interrupts."""
    code, interrupted = frame.f_code, frame.f_back
    if interrupted is None:
        return False
    arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 2]
    for name in arguments:
        value = frame.f_locals.get(name)
        if value is interrupted or (type(value) is tuple and len(value) >= 2 and value[1] is interrupted):
            return True
    return False


def enter_without_signals(function: F) -> F:
    """Let no signal handler run at the entry of a function, before it has begun.

    The interpreter runs them at a function's first instruction, RESUME, unless its argument says that the function goes
    on after an `await`. One that raises at the entry of a function that ends something leaves that on for good: nothing
    calls `__exit__`, say, again.
    """
    code = function.__code__
    instructions = bytearray(code.co_code)
    for at in range(0, len(instructions), 2):
        if instructions[at] == _RESUME:
            if instructions[at + 1] == 0:
                instructions[at + 1] = _AFTER_AWAIT
            break
    function.__code__ = code.replace(co_code=bytes(instructions))
    return function
