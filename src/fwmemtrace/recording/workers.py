"""Child processes: how a session continues in forked and spawned workers, and how it ends there.

A worker writes `trace.<pid>.bin` next to the first process's `trace.bin`. Both have the same session id, by which a
report joins them.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from ..config import Settings
from ..sinks import file_names
from .spawned import follow_spawned_workers, forget_spawned_workers

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

VARIABLE = "FWMEMTRACE_PARENT"
_STARTERS = {("subprocess", "_execute_child"), ("os", "_spawnvef")}
_HOOKS_DEPTH = 10  # frames between the fork and where its hooks ask
_LAST = -1000  # exit priority: after every other finaliser of multiprocessing


class Inheritance(msgspec.Struct, frozen=True):
    """What the first process of a session passes to its children, in the environment."""

    session_id: str
    settings: Settings  # with the absolute path of the first process's trace file as target
    asked: str = ""  # the absolute path that was asked for, if a file was there already


def announce(session_id: str, settings: Settings, path: str, asked: str = "") -> None:
    """Make child processes join this session.

    Args:
        session_id: the session's.
        settings: the session's.
        path: the trace file of the session's first process.
        asked: the path that it was to have, if a file was there already.
    """
    follow_spawned_workers(VARIABLE)
    inheritance = Inheritance(session_id, msgspec.structs.replace(settings, target=path), asked)
    try:
        os.environ[VARIABLE] = msgspec.json.encode(inheritance).decode()
    except UnicodeEncodeError:  # a path or label that is not UTF-8, which only escapes can express in JSON
        import json

        os.environ[VARIABLE] = json.dumps(msgspec.to_builtins(inheritance))


def withdraw(session_id: str, path: str | None) -> None:
    """The session is over, if it was announced at all: later child processes do not join it."""
    if path is None:
        return
    inheritance = inherited()
    if inheritance is None or (inheritance.session_id, inheritance.settings.target) == (session_id, path):
        os.environ.pop(VARIABLE, None)
        forget_spawned_workers()


def inherited() -> Inheritance | None:
    """Return what a parent process has passed on; None if this process is no worker of a session."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Inheritance)
    except (msgspec.DecodeError, UnicodeError):
        pass
    import json

    try:
        return msgspec.convert(json.loads(text), Inheritance)
    except (ValueError, RecursionError):
        return None


def as_worker(inheritance: Inheritance, settings: Settings) -> Settings:
    """Return the settings of a worker: those given, with a path of the worker's own."""
    from pathlib import Path

    target = worker_path(Path(inheritance.settings.target or "trace.bin"), os.getpid())
    return msgspec.structs.replace(settings, target=str(target))


def same_target(inheritance: Inheritance, settings: Settings) -> bool:
    """Return whether settings name the file that the first process writes.

    A program that starts its session when it is imported does so again in each spawned worker.
    """
    path = os.path.abspath(settings.target or "trace.bin")
    return settings.sink == inheritance.settings.sink and path in (inheritance.settings.target, inheritance.asked)


def free_path(path: Path) -> Path:
    """Return where a new trace goes: to `trace.bin`, or to `trace-2.bin` and so on if there is one already."""
    from pathlib import Path

    return Path(file_names.free_path(str(path)))


def worker_path(path: Path, pid: int) -> Path:
    """Return the path of a worker's trace file, such as `trace.123.bin` next to `trace.bin`."""
    return path.with_name(f"{path.stem}.{pid}{path.suffix}")


def is_about_to_exec() -> bool:
    """Tell whether this forked child only lives until it starts another program.

    `subprocess` calls the hooks of forks if it has a `preexec_fn` to run, and `os.spawnv` always.
    """
    frame: FrameType | None = sys._getframe()
    for _ in range(_HOOKS_DEPTH):
        if frame is None:
            return False
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) in _STARTERS:
            return True
        frame = frame.f_back
    return False


class Lifetime:
    """Calls the session when the process forks or exits.

    Args:
        after_fork: called in the child of a fork.
        stop: called when the process exits in an orderly way.
    """

    def __init__(self, after_fork: Callable[[], None], stop: Callable[[], None]) -> None:
        self._session_after_fork = after_fork
        self._stop = stop
        self._knows_multiprocessing = False
        self._finalizer: Any = None
        _hooks.install()
        _hooks.lifetimes.append(self)
        self.before_fork()

    def before_fork(self) -> None:
        """The process is about to fork."""
        # A worker of multiprocessing exits through os._exit, which skips atexit but not multiprocessing's finalisers.
        # The child forgets those that were registered before the fork, so this one is registered there.
        util = sys.modules.get("multiprocessing.util")
        if util is None or self._knows_multiprocessing:
            return
        self._knows_multiprocessing = True
        util.register_after_fork(self, Lifetime._finalize_in_worker)
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            self._finalize_in_worker()

    def _finalize_in_worker(self) -> None:
        if self in _hooks.lifetimes:
            self._finalizer = sys.modules["multiprocessing.util"].Finalize(None, self._stop, exitpriority=_LAST)

    def after_fork(self) -> None:
        """This is a forked child."""
        self._session_after_fork()

    def stop(self) -> None:
        """The process exits."""
        self._stop()

    def over(self) -> None:
        """The session was stopped."""
        if self in _hooks.lifetimes:
            _hooks.lifetimes.remove(self)
        if self._finalizer is not None:  # it would keep the session alive
            self._finalizer.cancel()


class _Hooks:
    """What the interpreter calls when the process forks and exits: registered once, since it cannot be removed.

    Attributes:
        lifetimes: those of the sessions that are on.
    """

    def __init__(self) -> None:
        self.lifetimes: list[Lifetime] = []
        self._installed = False

    def install(self) -> None:
        if self._installed:
            return
        self._installed = True
        atexit.register(self._exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)

    def _before_fork(self) -> None:
        for lifetime in self.lifetimes:
            lifetime.before_fork()

    def _after_fork(self) -> None:
        for lifetime in list(self.lifetimes):
            lifetime.after_fork()

    def _exit(self) -> None:
        for lifetime in list(self.lifetimes):
            lifetime.stop()


_hooks = _Hooks()
