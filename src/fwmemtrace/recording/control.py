"""Switches a session from outside: by a signal that takes a snapshot, and by a file that switches it off and on."""

from __future__ import annotations

import os
import signal
import threading
from time import perf_counter_ns

from ..errors import warn
from ..foreign_errors import pass_on
from ..system.descriptors import close, open_marked
from ..system.own_thread import OwnThread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_EVERY_S = 0.5
_WORDS = ("off", "on", "snapshot")
_LONGEST = 100
_REST_NS = 1_000_000_000
_REST_TIMES = 20  # a storm of signals costs a twentieth of the time
_FAR_NS = 1 << 62


class SnapshotSignal:
    """Takes a snapshot whenever a signal comes, and then does what the program does on it.

    Args:
        name: of the signal, such as "SIGUSR2".
        snapshot: called with the reason.
    """

    def __init__(self, name: str, snapshot: Callable[[str], None]) -> None:
        from ..probes.resident import snapshots  # noqa: F401  # now: the signal may come in the middle of an import

        number = self._number = signal.Signals[name]
        self._snapshot: Callable[[str], None] | None = snapshot
        self._before: Any = None
        self._rests_until_ns = 0
        self._active = self
        left = getattr(signal.getsignal(number), "__self__", None)
        if isinstance(left, SnapshotSignal) and left._snapshot is None:  # see `close`
            self._active, left._snapshot = left, snapshot
            return
        try:
            self._before = signal.signal(number, self._handle)
        except (ValueError, OSError) as error:  # not in the main thread, or a signal that cannot be handled
            pass_on(error)
            warn(f"{name} takes no snapshots: {error}")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        began = perf_counter_ns()
        if self._snapshot is not None and began >= self._rests_until_ns:
            self._rests_until_ns = _FAR_NS  # another signal may come in the middle of it
            try:
                self._snapshot(self._number.name)
            finally:
                ended = perf_counter_ns()
                self._rests_until_ns = ended + max(_REST_NS, _REST_TIMES * (ended - began))
        if callable(self._before):
            self._before(number, frame)

    def close(self) -> None:
        """Restore the signal's handler, unless the program has set another one since."""
        active = self._active
        active._snapshot = None
        if signal.getsignal(self._number) == active._handle:
            try:
                signal.signal(self._number, active._before if active._before is not None else signal.SIG_DFL)
            except ValueError:  # another thread stops the session: the handler stays, for the next session to take over
                pass


class ControlFile:
    """A thread that reads a file now and then, and does what it says when that has changed.

    Args:
        path: the file; it need not exist.
        do: called with "off", "on" or "snapshot".
    """

    def __init__(self, path: str, do: Callable[[str], None]) -> None:
        self._path = os.path.abspath(path)
        self._do = do
        self._latest = self._read()
        self._start()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        OwnThread(self._run)

    def _read(self) -> tuple[float, str]:
        try:
            number = open_marked(self._path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                return os.fstat(number).st_mtime, os.read(number, _LONGEST).decode(errors="replace").strip()
            finally:
                close(number)
        except OSError:
            return 0.0, ""

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(_EVERY_S):
            found = self._read()
            if found == self._latest:
                continue
            self._latest = found
            if found[1] in _WORDS:
                try:
                    self._do(found[1])
                except Exception as error:  # a thread must not print its traceback into the program's output
                    warn(f"{self._path}: {found[1]}: {error}")
