"""Child processes: how a session continues in forked and spawned workers, and how it ends there.

A worker writes `trace.<pid>.bin` next to the first process's `trace.bin`. Both have the same session id, by which a
report joins them.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from ..config import Settings

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "FWMEMTRACE_PARENT"
_LAST = -1000  # exit priority: after every other finaliser of multiprocessing


class Inheritance(msgspec.Struct, frozen=True):
    """What the first process of a session passes to its children, in the environment."""

    session_id: str
    settings: Settings  # with the absolute path of the first process's trace file as target


def announce(session_id: str, settings: Settings, path: str) -> None:
    """Make child processes join this session."""
    inheritance = Inheritance(session_id, msgspec.structs.replace(settings, target=path))
    try:
        os.environ[VARIABLE] = msgspec.json.encode(inheritance).decode()
    except UnicodeEncodeError:  # a path or label that is not UTF-8, which only escapes can express in JSON
        import json

        os.environ[VARIABLE] = json.dumps(msgspec.to_builtins(inheritance))


def withdraw(session_id: str, path: str | None) -> None:
    """The session is over: later child processes do not join it."""
    inheritance = inherited()
    if inheritance is None:
        return
    if (inheritance.session_id, inheritance.settings.target) == (session_id, path):
        del os.environ[VARIABLE]


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
    """Tell whether settings name the file that the first process writes.

    A program that starts its session when it is imported does so again in each spawned worker.
    """
    path = os.path.abspath(settings.target or "trace.bin")
    return settings.sink == inheritance.settings.sink and path == inheritance.settings.target


def worker_path(path: Path, pid: int) -> Path:
    """Return the path of a worker's trace file, such as `trace.123.bin` next to `trace.bin`."""
    return path.with_name(f"{path.stem}.{pid}{path.suffix}")


class Lifetime:
    """Calls the session when the process forks or exits.

    Args:
        after_fork: called in the child of a fork.
        stop: called when the process exits in an orderly way.
    """

    def __init__(self, after_fork: Callable[[], None], stop: Callable[[], None]) -> None:
        self._session_after_fork: Callable[[], None] | None = after_fork
        self._stop = stop
        self._knows_multiprocessing = False
        atexit.register(stop)
        if hasattr(os, "register_at_fork"):
            # These hooks cannot be removed, so they check whether the session is still on.
            os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)
        self._before_fork()

    def _before_fork(self) -> None:
        # A worker of multiprocessing exits through os._exit, which skips atexit but not multiprocessing's finalisers.
        # The child forgets those that were registered before the fork, so this one is registered there.
        util = sys.modules.get("multiprocessing.util")
        if util is None or self._knows_multiprocessing or self._session_after_fork is None:
            return
        self._knows_multiprocessing = True
        util.register_after_fork(self, Lifetime._finalize_in_worker)
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            self._finalize_in_worker()

    def _finalize_in_worker(self) -> None:
        if self._session_after_fork is not None:
            sys.modules["multiprocessing.util"].Finalize(None, self._stop, exitpriority=_LAST)

    def _after_fork(self) -> None:
        if self._session_after_fork is not None:
            self._session_after_fork()

    def over(self) -> None:
        """The session was stopped."""
        self._session_after_fork = None
        atexit.unregister(self._stop)
