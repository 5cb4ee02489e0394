"""The processes that read captures, as the one that starts them sees them. One is kept for the next capture."""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
from io import BufferedReader
from typing import BinaryIO, cast

from .. import core
from . import messages
from .stall import Stall

_CODE = "from fwmemtrace.capture.reading_process import main; main()"
_LOOK_S = 0.5  # between two looks at a process that has not answered yet
_WAIT_S = 1.0  # for a process that has ended, or was asked to


class ReaderProcess:
    """A process that reads captures, one after another."""

    def __init__(self) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("FWMEMTRACE") or name == core.VARIABLE  # which decides how captures are read
        }
        environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-P", "-W", "ignore", "-c", _CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a crash has much to say
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which tells the other one to stop
        )
        self.owner = os.getpid()
        self._stalled = False
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BufferedReader", self._process.stdout)

    def send(self, request: messages.Request) -> None:
        """Send a request.

        Raises:
            BrokenPipeError: if the process has ended.
        """
        messages.send(self._requests, b"q", request)

    def receive(self) -> tuple[bytes, bytes] | None:
        """Return the next message; None if the process has ended, or was ended because it waited for something else."""
        self._wait()  # here, where Ctrl-C loses no byte
        return messages.receive(self._answers)

    def _wait(self) -> None:
        answers = self._answers
        os.set_blocking(answers.fileno(), False)
        try:
            stall: Stall | None = None
            while not answers.peek(1):
                stall = stall or Stall(self._process.pid)
                if select.select([answers], [], [], _LOOK_S)[0]:
                    return  # an answer, or the end of the process
                if stall.look():
                    self._stalled = True
                    self._process.kill()
        finally:
            os.set_blocking(answers.fileno(), True)

    def end(self) -> str:
        """End the process, and return what ended it if it had ended already."""
        for pipe in (self._requests, self._answers):
            try:
                pipe.close()
            except OSError:
                pass
        try:
            status = self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._stalled:
            return "it waited for something that never came, such as a FIFO in place of a library"
        if status >= 0:
            return f"exit status {status}"
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"


_kept: list[ReaderProcess] = []


@atexit.register
def _end_kept() -> None:
    while _kept:
        process = _kept.pop()
        if process.owner == os.getpid():
            process.end()


def take() -> ReaderProcess:
    """Return the process that was kept, or a new one."""
    while _kept:
        process = _kept.pop()
        if process.owner == os.getpid():  # not of the process that this one was forked from
            return process
    return ReaderProcess()


def keep(process: ReaderProcess) -> None:
    """Keep a process for the next capture, or end it if one is kept already."""
    if _kept:
        process.end()
    else:
        _kept.append(process)
