"""The process that reads captures for another one; see `reader_processes`, which starts it."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from itertools import islice
from time import monotonic
from typing import Any, BinaryIO

from ..paths import PhasePath, encodable
from . import capture_file, messages
from .by_phase import LocalCapture
from .largest import LargestStacks
from .samples import StackSample

_IDLE_S = 60.0  # after which it ends, if nobody wants a capture read
_PROGRESS_S = 0.05  # between two messages about progress, each of which waits for an answer
_AT_ONCE = 50  # such messages at first, for who follows the reading of a small capture
_SAMPLES = 2000  # in one message
_RUNS = 5000
_MEMORY = 2**30, 64  # bytes, and bytes for each byte of the capture, that reading it may take


class _Interrupted(KeyboardInterrupt):
    """The other process wants no more records to be read."""


class _Paths:
    """Numbers paths, so that each is sent once."""

    def __init__(self) -> None:
        self._numbers: dict[PhasePath, int] = {}
        self._new: list[PhasePath] = []

    def number(self, path: PhasePath) -> int:
        known = self._numbers.get(path)
        if known is None:
            known = self._numbers[path] = len(self._numbers)
            self._new.append(tuple(map(encodable, path)))
        return known

    def take_new(self) -> list[PhasePath]:
        new, self._new = self._new, []
        return new


class ReadingProcess:
    """Answers requests until there are none.

    Args:
        requests: where they come from.
        answers: where the answers go.
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests = requests
        self._answers = answers
        self._capture: LocalCapture | None = None
        self._run_paths, self._sample_paths = _Paths(), _Paths()
        self._ended: list[tuple[int, int, int]] = []
        self._samples: Iterator[StackSample] = iter(())
        self._told = 0.0
        self._at_once = 0

    def serve(self) -> None:
        """Answer requests until the other process ends, or wants nothing for a while."""
        while True:
            if self._capture is None and not select.select([self._requests], [], [], _IDLE_S)[0]:
                return
            request = self._next()
            self._answer(request)

    def _next(self) -> messages.Request:
        received = messages.receive(self._requests)
        if received is None:
            raise SystemExit
        return messages.REQUEST.decode(received[1])

    def _answer(self, request: messages.Request) -> None:
        try:
            value = getattr(self, f"on_{request.method}")(request)
        except Exception as error:
            messages.send(self._answers, messages.ERROR, encodable(_words(error)))
        else:
            messages.send(self._answers, messages.VALUE, value)

    def on_open(self, request: messages.Request) -> messages.Opened:
        path = os.fsdecode(request.path)
        _limit_memory(path)
        capture_file._BATCH = request.number  # as large as where progress is reported
        self._run_paths, self._sample_paths = _Paths(), _Paths()
        run_ended = self._run_ended if request.flag else None
        self._capture = LocalCapture(path, other_builds=request.other_builds, run_ended=run_ended)
        file = self._capture.file
        return messages.Opened(
            file.native, file.records, file.pid, encodable(file.command), file.started_unix_ns, file.wall_ns
        )  # fmt: skip

    def on_close(self, _: messages.Request) -> None:
        if self._capture is not None:
            self._capture.__exit__(None, None, None)
        self._capture = None
        self._samples = iter(())

    def on_read(self, request: messages.Request) -> None:
        self._at_once = _AT_ONCE if request.flag else 0
        self._opened.read(self._progress)
        self._send_runs()

    def on_summary(self, request: messages.Request) -> Any:
        return self._opened.summary(request.number)

    def on_resident(self, _: messages.Request) -> list[int]:
        return self._opened.file.resident()

    def on_samples(self, request: messages.Request) -> messages.Samples:
        if request.flag:  # from the first one on
            self._samples = self._opened.samples()
            self._sample_paths = _Paths()
        number = self._sample_paths.number
        rows: list[messages.SampleRow] = [
            (number(one.phase), one.ambient, one.allocated_bytes, one.allocations, one.live_bytes,
             one.live_allocations, one.at_peak_bytes,
             one.file_backed_bytes, one.key)
            for one in islice(self._samples, _SAMPLES)
        ]  # fmt: skip
        return messages.Samples(self._sample_paths.take_new(), rows)

    def on_largest(self, request: messages.Request) -> LargestStacks:
        return self._opened.largest_stacks(request.number)

    def on_stack(self, request: messages.Request) -> list[Any]:
        key = request.key
        return list(self._opened.frames_at(tuple(key) if isinstance(key, list) else key))

    @property
    def _opened(self) -> LocalCapture:
        if self._capture is None:
            raise ValueError("no capture is open")
        return self._capture

    def _run_ended(self, path: PhasePath, level: int, change: int) -> None:
        self._ended.append((self._run_paths.number(path), level, change))
        if len(self._ended) >= _RUNS:
            self._send_runs()

    def _send_runs(self) -> None:
        if self._ended:
            ended, self._ended = self._ended, []
            messages.send(self._answers, messages.RUNS, messages.Runs(self._run_paths.take_new(), ended))

    def _progress(self, done: int, total: int) -> None:
        now = monotonic()
        if now - self._told < _PROGRESS_S and done < total and not self._at_once:
            return
        self._at_once = max(self._at_once - 1, 0)
        self._told = now
        self._send_runs()
        messages.send(self._answers, messages.PROGRESS, (done, total))
        while True:  # the other process may ask for what was read so far, before it wants more
            request = self._next()
            if request.method == "go":
                return
            if request.method == "stop":
                raise _Interrupted
            self._answer(request)


def _words(error: Exception) -> str:
    from ..errors import CaptureError

    return str(error) if isinstance(error, CaptureError) else f"the capture is damaged ({error!r})"


def _limit_memory(path: str) -> None:
    """Let a small capture that was made for the purpose not take all memory of the machine."""
    try:
        import resource

        size = os.stat(path).st_size
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = _MEMORY[0] + _MEMORY[1] * size
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError, ValueError):
        pass


def main() -> None:
    """Serve on stdin and stdout. What memray prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        ReadingProcess(sys.stdin.buffer, answers).serve()
    except (BrokenPipeError, SystemExit):  # nobody waits for an answer
        os._exit(0)
