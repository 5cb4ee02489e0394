"""The phase that runs, as a context variable, and the one safe way to change it."""

from __future__ import annotations

import sys
from _thread import get_ident
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .spans import Span

current: ContextVar[Span | None] = ContextVar("fwmemtrace.current", default=None)

# The threads that are changing a context right now, by their idents.
changing: set[int] = set()


def _set_guarded(span: Span | None) -> None:
    """Change the running phase, unless this thread is in the middle of doing so.

    Up to Python 3.11 the garbage collector may run inside `ContextVar.set`, and with it finalisers, `gc.callbacks` and
    signal handlers. One of them that sets the same variable frees what the outer call still reads: the interpreter
    crashes. So an inner call does nothing; what the outer one sets is right after it.
    """
    thread_id = get_ident()
    if thread_id in changing:
        return
    changing.add(thread_id)
    try:
        current.set(span)
    finally:
        changing.discard(thread_id)


# From 3.12 on the collector runs between bytecodes only.
set_current: Callable[[Span | None], object] = current.set if sys.version_info >= (3, 12) else _set_guarded
