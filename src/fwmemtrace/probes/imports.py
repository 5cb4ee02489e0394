"""Measures what importing each module costs: RSS and time, its own and with all modules that it imports.

The import system looks `_find_and_load_unlocked` up in its own module at every call, so replacing it there is enough:
it runs once for every module that is not in sys.modules yet, whatever finder or loader it comes from.
`importlib.reload` calls `_exec`.
"""

from __future__ import annotations

import _frozen_importlib as _bootstrap  # what importlib._bootstrap is; it is loaded in every interpreter
import threading
from collections.abc import Callable
from time import perf_counter_ns
from types import CodeType
from typing import Any, ClassVar

from ..foreign_errors import is_the_programs
from ..records import ModuleImport
from ..tracing.span import Span, current
from .attribution import Accounted
from .base import Probe, ProbeContext
from .import_statements import file_of, importer, own_code, place

_get_thread_id = threading.get_ident

_FIND_AND_LOAD = "_find_and_load_unlocked"
_EXEC = "_exec"
# The interpreter leaves frames of this file out of the traceback of a failed import, and so the wrappers' frames too.
_BOOTSTRAP_FILE = "<frozen importlib._bootstrap>"


class _Open:
    """A module that is being imported."""

    __slots__ = (
        "asked_by",
        "began_ns",
        "depth",
        "inner_bytes",
        "inner_ns",
        "module",
        "outside_ns",
        "own_bytes",
        "own_code",
        "parent",
        "repeated",
        "waited_for",
    )

    def __init__(self, module: str, parent: _Open | None, depth: int) -> None:
        self.module = module
        self.parent = parent
        self.depth = depth
        self.asked_by = ""
        self.own_code = ("", 0)  # file and line
        self.began_ns = 0
        self.own_bytes = 0
        self.inner_bytes = 0  # of the modules that it imported
        self.inner_ns = 0
        self.outside_ns = 0  # of the enclosing packages that had to be imported first
        self.waited_for = False  # whether it is such a package, or imported by one
        self.repeated = False  # whether such a package has imported it in the meantime


class ImportsProbe(Probe):
    """Reads RSS around every import, unless the phase that it happens in leaves this probe out.

    The time between two edges of imports belongs to the innermost module of the thread that reaches the second edge, so
    that no byte is counted twice, even if threads import at once. A package that must be imported before the module
    inside it belongs to the importer of that module, not to the module.
    """

    name: ClassVar[str] = "imports"
    rank: ClassVar[int] = 80  # imports are watched once the other probes have imported what they need
    measured: ClassVar[bool] = False  # it does next to nothing at the edges of phases

    def __init__(self) -> None:
        self._on = False
        self._open: dict[int, list[_Open]] = {}  # by thread
        self._lock = threading.RLock()  # a finaliser that runs inside may import something
        self._last_rss = 0
        self._accounted = 0  # bytes, of all closed windows
        self._own_spans: list[Span] = []  # open in the session's own thread and measured, the innermost last
        self._replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    def start(self, context: ProbeContext) -> None:
        self._context = context
        self._rss = context.meter.rss
        self._own_thread = _get_thread_id()
        self._on = True
        context.attribution.ask(self._accounted_now)
        self._replace(_FIND_AND_LOAD, _around_find_and_load)
        self._replace(_EXEC, _around_exec)

    def after_fork(self, context: ProbeContext) -> None:
        self._context = context
        self._rss = context.meter.rss
        self._lock = threading.RLock()
        thread = self._own_thread = _get_thread_id()  # the other threads stayed with the parent
        self._open = {thread: self._open[thread]} if thread in self._open else {}
        self._own_spans = []  # the session announces the open ones again
        self._last_rss = self._rss()

    def phase_began(self, span: Span) -> None:
        if span.thread_id == self._own_thread:
            self._own_spans.append(span)

    def phase_ended(self, span: Span, state: None) -> None:
        if span in self._own_spans:
            self._own_spans.remove(span)

    def _span(self) -> int:
        """Return the id of the current span; in a thread without a phase, that of the session's own thread."""
        span = current.get()
        if span is None and self._own_spans:
            span = self._own_spans[-1]
        return 0 if span is None or span.closed else span.id

    def _accounted_now(self) -> Accounted:
        with self._lock:
            return Accounted(self._accounted, self._last_rss if self._on and any(self._open.values()) else None)

    def stop(self) -> None:
        self._on = False
        for name, (original, wrapper) in self._replaced.items():
            if getattr(_bootstrap, name) is wrapper:  # else somebody has wrapped it, and it only passes calls on
                setattr(_bootstrap, name, original)
        self._replaced = {}

    def _replace(self, name: str, around: Callable[..., Callable[..., Any]]) -> None:
        original = getattr(_bootstrap, name)
        wrapper = around(self, original)
        self._replaced[name] = original, wrapper
        setattr(_bootstrap, name, wrapper)

    def began(self, module: str) -> _Open | None:
        """The calling thread begins to import a module. Raises nothing of its own.

        Returns:
            What `ended` needs; None if this import is not measured.
        """
        span = current.get()
        if not self._on or (span is not None and not span.wants(self.name)):
            return None
        opened = None
        try:
            thread = _get_thread_id()
            with self._lock:
                stack = self._open.get(thread)
                if stack is None:
                    stack = self._open[thread] = []
                self._close_window(stack)
                parent, waited_for = _asker(stack, module)
                opened = _Open(module, parent, len(stack))
                statement = importer(__name__)
                opened.own_code = own_code(statement, in_import=parent is not None)
                if parent is None:
                    opened.asked_by = place(statement)
                elif parent.waited_for:
                    waited_for = True
                if waited_for:
                    opened.waited_for = True
                    for waiting in stack:
                        if waiting.module == module:
                            waiting.repeated = True
                stack.append(opened)
                opened.began_ns = perf_counter_ns()
                self._context.attribution.changed(opened.began_ns)
            return opened
        except BaseException as error:
            self._failed(opened, error)
            return None

    def ended(self, opened: _Open, module: Any, error: BaseException | None, *, reload: bool = False) -> None:
        """The import ended, in the thread in which it began. Raises nothing of its own."""
        if not self._on:
            return
        try:
            now = perf_counter_ns()
            thread = _get_thread_id()
            with self._lock:
                stack = self._open.get(thread, [])
                self._close_window(stack)
                if not stack or stack.pop() is not opened:
                    if opened not in stack:
                        return
                    while stack.pop() is not opened:  # imports whose end was not reported
                        pass
                if not stack:
                    del self._open[thread]
                self._context.attribution.changed(now)
                if opened.repeated and error is None:
                    if opened.parent is not None:
                        opened.parent.own_bytes += opened.own_bytes
                        opened.parent.inner_bytes += opened.inner_bytes
                    return
                took = now - opened.began_ns
                cumulative_ns = took - opened.outside_ns
                cumulative_bytes = opened.own_bytes + opened.inner_bytes
                for waiting in reversed(stack):
                    if waiting is opened.parent:
                        waiting.inner_ns += cumulative_ns
                        waiting.inner_bytes += cumulative_bytes
                        break
                    waiting.outside_ns += took
            self._context.emit(
                ModuleImport(
                    self._span(),
                    opened.module,
                    None if opened.parent is None else opened.parent.module,
                    opened.asked_by,
                    opened.depth,
                    thread,
                    opened.began_ns,
                    opened.own_bytes,
                    cumulative_bytes,
                    cumulative_ns - opened.inner_ns,
                    cumulative_ns,
                    file_of(module),
                    None if error is None else type(error).__qualname__,
                    reload,
                    *opened.own_code,
                )
            )
        except BaseException as problem:
            self._failed(opened, problem)

    def _close_window(self, stack: list[_Open]) -> None:
        """Add the change in RSS since the latest edge to the module that was being imported."""
        rss = self._rss()
        importing = next((other for other in (stack, *self._open.values()) if other), None)
        if importing is not None:
            importing[-1].own_bytes += rss - self._last_rss
            self._accounted += rss - self._last_rss
        self._last_rss = rss

    def _failed(self, opened: _Open | None, error: BaseException) -> None:
        """Raise an exception of the program's again: a signal handler's, which costs this import."""
        if is_the_programs(error):
            stack = self._open.get(_get_thread_id(), [])
            if opened in stack:
                del stack[stack.index(opened) :]
            raise error
        self.stop()
        self._open = {}
        self._context.note(f"the probe 'imports' raised {error!r} and was switched off")


def _asker(stack: list[_Open], module: str) -> tuple[_Open | None, bool]:
    """Find the importer of a module.

    Returns:
        The module whose code imports it, and whether modules inside this package wait for it to be imported first.
    """
    inside = module + "."
    waited_for = False
    for opened in reversed(stack):
        if not opened.module.startswith(inside):
            return opened, waited_for
        waited_for = True
    return None, waited_for


def _around_find_and_load(probe: ImportsProbe, original: Callable[..., Any]) -> Callable[..., Any]:
    def _find_and_load_unlocked(name: str, import_: Any) -> Any:
        opened = probe.began(name)
        if opened is None:
            return original(name, import_)
        try:
            module = original(name, import_)
        except BaseException as error:
            probe.ended(opened, None, error)
            raise
        probe.ended(opened, module, None)
        return module

    return _disguised(_find_and_load_unlocked)


def _around_exec(probe: ImportsProbe, original: Callable[..., Any]) -> Callable[..., Any]:
    def _exec(spec: Any, module: Any) -> Any:
        opened = probe.began(getattr(spec, "name", "?"))
        if opened is None:
            return original(spec, module)
        try:
            result = original(spec, module)
        except BaseException as error:
            probe.ended(opened, module, error, reload=True)
            raise
        probe.ended(opened, module, None, reload=True)
        return result

    return _disguised(_exec)


def _disguised(function: Callable[..., Any]) -> Callable[..., Any]:
    code: CodeType = function.__code__
    function.__code__ = code.replace(co_filename=_BOOTSTRAP_FILE)
    return function
