"""Records native allocations: one memray tracker for the whole session, and a marker in its capture at each phase edge.

The capture is an ordinary one that every reporter of memray can read. It is written next to the trace file; a clean
stop moves it into the trace, and after a crash the reader finds it where it is.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...errors import ProbeUnavailable
from ...foreign_errors import is_the_programs
from ...records import CaptureChunk, Overhead
from ...system.allocators import read_malloc_in_use
from ...tracefile.layout import CAPTURE_SUFFIX
from ...tracing.span import Span, current
from ..base import Probe, ProbeContext
from ..task_switches import TaskSwitches
from .mapped_libraries import MappedLibraries
from .maps_watch import MapsWatch
from .marker_writer import MarkerWriter
from .private_capture import create_private, redacted_arguments
from .thread_names import make_fit

try:  # built in, and not in `sys.modules` where `python -X tracemalloc` has started it
    import _tracemalloc
except ImportError:  # not CPython
    _tracemalloc = None  # type: ignore[assignment]

_PIECE = 1024 * 1024
_OLDEST = (1, 19)  # version of memray


class NativeProbe(Probe):
    """Runs a memray tracker. Where one is running already, leaves its markers in the capture of that one."""

    name: ClassVar[str] = "native"
    rank: ClassVar[int] = 70
    measured: ClassVar[bool] = False
    conflicts: ClassVar[Mapping[str, str]] = {
        "python_heap": "memray would record the tables of tracemalloc, a block for each Python object",
        "heap": "memray takes over the functions that the sampler watches",
    }

    def __init__(self) -> None:
        self._tracker: Any = None
        self._capture: str | None = None
        self._maps: MapsWatch | None = None
        self._tasks: TaskSwitches | None = None
        self._profile: tuple[int, Any] | None = None

    def start(self, context: ProbeContext) -> None:
        self._context = context
        memray = _import_memray()
        path = _capture_path(context.trace_path)
        settings = context.settings
        try:
            create_private(path)
            with redacted_arguments(settings):
                tracker = memray.Tracker(
                    destination=memray.FileDestination(path, overwrite=True),
                    native_traces=settings.native_traces,
                    trace_python_allocators=settings.python_allocators,
                )
        except Exception as error:
            if is_the_programs(error):
                raise
            raise ProbeUnavailable(
                f"memray cannot write its capture {path} ({error}); choose a trace file in an existing, writable "
                "folder, on a file system that supports memory mapping"
            ) from error
        profile = get_ident(), sys.getprofile()
        try:
            _in_a_thread(tracker.__enter__)
        except Exception as error:
            os.unlink(path)
            if is_the_programs(error):
                raise
            if not isinstance(error, RuntimeError) or "active" not in str(error):
                raise ProbeUnavailable(f"memray's tracker cannot start: {error}") from error
            self._context.note(
                "a memray tracker was running already: its capture has the phases, and this trace has none"
            )
        else:
            self._tracker = tracker
            self._capture = path
            self._profile = profile
            make_fit()
        if _tracemalloc is not None and _tracemalloc.is_tracing():
            self._context.note("tracemalloc is on: what its own tables allocate is part of these figures")
        self._begin_markers()

    def _begin_markers(self) -> None:
        self._markers = MarkerWriter(keep=self._tracker is None)
        self._markers.leave("own")
        self._tasks = TaskSwitches(self._markers.switch)
        self._tasks.follow()
        if self._tracker is None:
            return
        try:
            libraries = MappedLibraries(self._context.emit) if self._context.settings.native_traces else None
            self._maps = MapsWatch(self._markers, self._context.meter, libraries)
        except OSError as error:
            self._context.note(f"mapped files cannot be distinguished from memory: {error}")
        self._markers.switch(current.get())

    def phase_began(self, span: Span) -> None:
        if self._tasks is not None:
            self._tasks.follow()
        self._markers.begin(span)

    def phase_ended(self, span: Span, state: None) -> None:
        if self._maps is not None:
            self._maps.at_edge()
        self._markers.end(span, current.get())

    def switched(self, span: Span | None) -> None:
        self._markers.switch(span)

    def after_fork(self, context: ProbeContext) -> None:
        # The fork switched the parent's tracker off here, but its hooks in Python's threads are still to be removed.
        if self._tracker is not None:
            self._exit(self._tracker)
        self._tracker = self._maps = None
        if self._tasks is not None:
            self._tasks.stop()
        self.start(context)

    def stop(self) -> None:
        if self._tasks is not None:
            self._tasks.stop()
            if (unseen := self._tasks.unseen()) is not None:
                self._context.note(unseen)
            self._tasks = None
        if self._maps is not None:
            self._maps.stop()
            self._maps = None
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        self._markers.begin_overhead()
        before = read_malloc_in_use()
        self._markers.leave("over")
        self._exit(tracker)
        after = read_malloc_in_use()
        if before is not None and after is not None:  # the difference is memray's own tables
            self._context.emit(Overhead(0, self.name, 0, before - after))
        self._move_capture()

    def _exit(self, tracker: Any) -> None:
        """Stop the tracker, and give the program its profile function back.

        memray restores that of the thread that started the tracker, which was one of our own.
        """
        tracker.__exit__(None, None, None)
        thread, function = self._profile or (0, None)
        if thread == get_ident():
            sys.setprofile(function)

    def _move_capture(self) -> None:
        path = self._capture
        assert path is not None
        if self._context.trace_path is None:
            self._context.note(f"the sink writes no trace file; memray's capture is {path}")
            return
        total = os.path.getsize(path)
        offset = 0
        with open(path, "rb") as file:
            while piece := file.read(_PIECE):
                self._context.emit(CaptureChunk("memray", offset, total, piece))
                offset += len(piece)
        if self._context.delivered() and offset == total:
            os.unlink(path)


def _import_memray() -> Any:
    try:
        import memray
    except ImportError as error:
        raise ProbeUnavailable(
            f"native allocations need memray ({error}); install fwmemtrace[native] (Linux and macOS only)"
        ) from error
    version: str = vars(memray)["__version__"]  # public, but not in its stubs
    if _number(version) < _OLDEST:
        raise ProbeUnavailable(
            f"memray {version} is too old, because it does not record the phases of threads that started before it; "
            "install 1.19 or newer: pip install -U memray"
        )
    return memray


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _capture_path(trace_path: str | None) -> str:
    if trace_path is not None:
        return trace_path + CAPTURE_SUFFIX
    import tempfile

    handle, path = tempfile.mkstemp(prefix="fwmemtrace-", suffix=CAPTURE_SUFFIX)
    os.close(handle)
    return path


def _in_a_thread(function: Callable[[], object]) -> None:
    """Call a function in a thread of its own.

    In the thread that starts a tracker, memray hides as many outermost frames as there are at that moment. In the
    program's own thread these are the session's inner frames, and once those are gone, it would hide the program's.
    It is not a `threading.Thread`, which would run the program's profile and trace functions for threads first: memray
    would take the one for its own thread's, and one that raises would end the thread.
    """
    errors: list[BaseException] = []
    running = allocate_lock()

    def call() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)
        finally:
            running.release()

    running.acquire()
    start_new_thread(call, ())
    running.acquire()
    if errors:
        raise errors[0]
