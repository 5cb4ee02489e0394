"""What native code allocates: one memray tracker for the whole session, and marks in its capture at the phases' edges.

The capture is an ordinary one that every reporter of memray reads. It is written beside the trace file; a clean stop
moves it into the trace, after a crash the reader finds it where it is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from ...errors import ProbeUnavailable
from ...records import CaptureChunk
from ...tracefile.layout import CAPTURE_SUFFIX
from ...tracing.span import Span, current
from ..base import Probe, ProbeContext
from .mapped_libraries import MappedLibraries
from .maps_watch import MapsWatch
from .marker_writer import MarkerWriter
from .task_switches import TaskSwitches

_PIECE = 1024 * 1024
_OLDEST = (1, 19)  # memray's


class NativeProbe(Probe):
    """Runs memray's tracker. Where one is on already, leaves its marks in that one's capture."""

    name: ClassVar[str] = "native"
    rank: ClassVar[int] = 70
    measured: ClassVar[bool] = False

    def __init__(self) -> None:
        self._tracker: Any = None
        self._capture: str | None = None
        self._maps: MapsWatch | None = None
        self._tasks: TaskSwitches | None = None

    def start(self, context: ProbeContext) -> None:
        self._context = context
        memray = _import_memray()
        path = _capture_path(context.trace_path)
        settings = context.settings
        try:
            tracker = memray.Tracker(
                destination=memray.FileDestination(path, overwrite=True),
                native_traces=settings.native_traces,
                trace_python_allocators=settings.python_allocators,
            )
        except Exception as error:
            raise ProbeUnavailable(
                f"found that memray cannot write its capture {path} ({error}), expected a path it can: give a trace "
                "file in a folder that exists, can be written, and is on a file system that memory can be mapped from"
            ) from error
        try:
            _in_a_thread(tracker.__enter__)
        except RuntimeError as error:
            os.unlink(path)
            if "active" not in str(error):
                raise ProbeUnavailable(f"found that memray's tracker does not start here: {error}") from error
            self._context.note(
                "a memray tracker was on already: the phases are marked in its capture, and this trace has none"
            )
        else:
            self._tracker = tracker
            self._capture = path
        self._begin_marks()

    def _begin_marks(self) -> None:
        self._markers = MarkerWriter(keep=self._tracker is None)
        self._markers.say("own")
        self._tasks = TaskSwitches(self._markers.mark)
        self._tasks.look()
        if self._tracker is None:
            return
        try:
            libraries = MappedLibraries(self._context.emit) if self._context.settings.native_traces else None
            self._maps = MapsWatch(self._markers, self._context.meter, libraries)
        except OSError as error:
            self._context.note(f"mapped files cannot be told from memory here: {error}")
        self._markers.mark(current.get())

    def phase_began(self, span: Span) -> None:
        if self._tasks is not None:
            self._tasks.look()
        self._markers.began(span)

    def phase_ended(self, span: Span, state: None) -> None:
        if self._maps is not None:
            self._maps.at_edge()
        self._markers.ended(span, current.get())

    def switched(self, span: Span | None) -> None:
        self._markers.mark(span)

    def after_fork(self, context: ProbeContext) -> None:
        # The parent's tracker went off with the fork, but what it did to Python's threads is still here to be undone.
        if self._tracker is not None:
            self._tracker.__exit__(None, None, None)
        self._tracker = self._maps = None
        if self._tasks is not None:
            self._tasks.stop()
        self.start(context)

    def stop(self) -> None:
        if self._tasks is not None:
            self._tasks.stop()
            if (loop := self._tasks.foreign_loop) is not None:
                self._context.note(
                    f"the event loop {loop} does not tell when it switches tasks: what they allocate between two "
                    "edges of phases counts toward the phase whose edge came last in their thread"
                )
            self._tasks = None
        if self._maps is not None:
            self._maps.stop()
            self._maps = None
        tracker, self._tracker = self._tracker, None
        if tracker is None:
            return
        self._markers.say("over")
        tracker.__exit__(None, None, None)
        self._move_capture()

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
            f"found that memray cannot be imported ({error}), expected it for native allocations: install "
            "fwmemtrace[native] (on Linux or macOS; there is no memray for Windows)"
        ) from error
    version: str = vars(memray)["__version__"]  # public, but not in its stubs
    if _number(version) < _OLDEST:
        raise ProbeUnavailable(
            f"found memray {version}, expected 1.19 or newer: an older tracker sees no Python frames of "
            "threads that were there before it, and so no phases. Run: pip install -U memray"
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
    """Call it in a thread of its own.

    memray leaves out as many of the outermost frames, in the thread that starts a tracker, as there are at that moment.
    In the program's own thread those would be the session's inner ones, and later, with those gone, the program's.
    """
    errors: list[BaseException] = []

    def call() -> None:
        try:
            function()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, name="fwmemtrace start")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
