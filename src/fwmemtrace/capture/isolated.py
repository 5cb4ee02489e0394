"""Reads captures in a process of its own, so that one that ends its reader does not end this process.

memray reads captures in C++, which a damaged or hostile one can crash.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import NoReturn, TypeVar

import msgspec

from .. import results
from ..errors import CaptureError
from ..paths import PhasePath
from . import capture_file, messages, reader_processes
from .capture_file import Progress
from .largest import LargestStacks
from .native_records import StackKey
from .reader_processes import ReaderProcess
from .rows import CaptureSummary
from .samples import StackSample
from .thread_phases import RunEnded

_V = TypeVar("_V")


class IsolatedCapture:
    """A capture that another process reads; see `by_phase.LocalCapture`.

    Raises:
        CaptureError: if it cannot be read, or cannot be split by phase, or ends the process that reads it. All methods
            do so.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, other_builds: Collection[str] = (), run_ended: RunEnded | None = None
    ) -> None:
        self._path = os.fspath(path)
        self._run_ended = run_ended
        self._run_paths: list[PhasePath] = []
        self._interrupted = False
        request = messages.Request(
            "open", os.fsencode(self._path), list(other_builds), run_ended is not None, capture_file._BATCH
        )
        if find_spec("memray") is None:
            raise CaptureError(f"{self._path}: reading a memray capture needs memray; install fwmemtrace[native]")
        if not sys.executable or getattr(sys, "frozen", False):
            raise CaptureError(f"{self._path}: there is no Python interpreter to read it; use the command fwmemtrace")
        self._process: ReaderProcess | None = reader_processes.take()
        try:
            try:
                self._process.send(request)
            except OSError:  # it has ended, since nothing was to be read for a while
                self._process.end()
                self._process = ReaderProcess()
                self._process.send(request)
            self.file = _File(messages.OPENED.decode(self._message()[1]), self)
        except BaseException:
            self._give_up()
            raise

    def __enter__(self) -> IsolatedCapture:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            process = self._process
            try:
                self.call(messages.Request("close"), messages.NOTHING)
            except (CaptureError, KeyboardInterrupt):
                self._give_up()
                return
            self._process = None
            if self.file.native:
                process.end()  # memray would keep the symbols of each library, whatever its file becomes
            else:
                reader_processes.keep(process)

    def read(self, progress: Progress | None = None) -> None:
        """Read all records; see `by_phase.LocalCapture.read`."""
        try:
            self._read(progress)
        except BaseException:
            self._give_up()  # it may be anywhere in the capture
            raise

    def _read(self, progress: Progress | None) -> None:
        self._send(messages.Request("read", flag=progress is not None))
        while True:
            kind = b""
            try:
                kind, payload = self._message()
                if kind == messages.VALUE:
                    return
                if kind == messages.RUNS:
                    self._runs(messages.ENDED.decode(payload))
                    continue
                if progress is not None and not self._interrupted:
                    progress(*messages.COUNTS.decode(payload))
            except KeyboardInterrupt:
                if self._interrupted:
                    raise
                self._interrupted = True
                if kind != messages.PROGRESS:
                    continue
            self._send(messages.Request("stop" if self._interrupted else "go"))

    def summary(self, top: int = 10) -> CaptureSummary:
        """Return what was read so far by phase; see `by_phase.LocalCapture.summary`."""
        return self.call(messages.Request("summary", number=top), messages.SUMMARY)

    def samples(self) -> Iterator[StackSample]:
        """Yield every stack of every phase with its figures; see `StackSample`."""
        paths: list[PhasePath] = []
        first = True
        while True:
            some = self.call(messages.Request("samples", flag=first), messages.SAMPLES)
            first = False
            paths += some.new_paths
            if not some.rows:
                return
            for number, *figures in some.rows:
                yield StackSample(paths[number], *figures, self._stack)  # type: ignore[call-arg]

    def largest_stacks(self, most: int) -> LargestStacks:
        """Return the stacks with the largest shares of their phases; see `largest.largest_stacks`."""
        return self.call(messages.Request("largest", number=most), messages.LARGEST)

    def call(self, request: messages.Request, decoder: msgspec.msgpack.Decoder[_V]) -> _V:
        """Send a request and return the answer."""
        self._send(request)
        return decoder.decode(self._message()[1])

    def _stack(self, key: StackKey) -> tuple[results.Frame, ...]:
        return self.call(messages.Request("stack", key=key), messages.STACK)

    def _send(self, request: messages.Request) -> None:
        if self._process is None:
            raise CaptureError(f"{self._path}: the capture is closed")
        try:
            self._process.send(request)
        except (OSError, ValueError):  # it has ended, or this interpreter ends
            self._ended()

    def _message(self) -> tuple[bytes, bytes]:
        if self._process is None:
            raise CaptureError(f"{self._path}: the capture is closed")
        received = self._process.receive()
        if received is None:
            self._ended()
        if received[0] == messages.ERROR:
            raise CaptureError(messages.TEXT.decode(received[1]))
        return received

    def _runs(self, runs: messages.Runs) -> None:
        self._run_paths += runs.new_paths
        if self._run_ended is not None:
            for number, level, change in runs.ended:
                self._run_ended(self._run_paths[number], level, change)

    def _ended(self) -> NoReturn:
        how = self._give_up()
        raise CaptureError(f"{self._path} crashed its reader ({how}): the capture is damaged or malicious")

    def _give_up(self) -> str:
        process, self._process = self._process, None
        return "" if process is None else process.end()


class _File:
    """What is known of the capture itself; see `messages.Opened`."""

    def __init__(self, opened: messages.Opened, capture: IsolatedCapture) -> None:
        self.native = opened.native
        self.records = opened.records
        self.pid = opened.pid
        self.command = opened.command
        self.started_unix_ns = opened.started_unix_ns
        self.wall_ns = opened.wall_ns
        self._capture = capture

    def resident(self) -> list[int]:
        """Return the process's RSS over time; see `CaptureFile.resident`."""
        return self._capture.call(messages.Request("resident"), messages.READINGS)


def read_rows(
    path: str | os.PathLike[str],
    *,
    top: int = 10,
    largest: int = 0,
    other_builds: Collection[str] = (),
    progress: Progress | None = None,
    run_ended: RunEnded | None = None,
) -> CaptureSummary:
    """Read a memray capture by phase; see `by_phase.read_capture`.

    Args:
        path: the capture.
        top: how many stacks to resolve for each phase.
        largest: how many of the largest stacks of all phases together to return as well.
        other_builds: as for `by_phase.LocalCapture`.
        progress: as for `by_phase.LocalCapture.read`.
        run_ended: as for `by_phase.LocalCapture`.
    """
    with IsolatedCapture(path, other_builds=other_builds, run_ended=run_ended) as capture:
        capture.read(progress)
        summary = capture.summary(top)
        if largest:
            summary.largest = capture.largest_stacks(largest)
        return summary


@contextmanager
def open_samples(
    path: str | os.PathLike[str], *, other_builds: Collection[str] = (), progress: Progress | None = None
) -> Iterator[Iterable[StackSample]]:
    """Provide every stack of every phase of a memray capture with its figures; see `by_phase.samples_of`.

    Their stacks can be resolved until the block ends.
    """
    with IsolatedCapture(path, other_builds=other_builds) as capture:
        capture.read(progress)
        yield capture.samples()
