"""Child processes: how a session goes on in forked and spawned workers, and how it ends there.

A worker writes `trace.<pid>.bin` beside the first process's `trace.bin`, and both carry one session id, by which the
report puts them together.
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
    """What the first process of a session tells its children, through the environment."""

    session_id: str
    settings: Settings


def announce(session_id: str, settings: Settings, path: str) -> None:
    """Let child processes know of this session."""
    told = Inheritance(session_id, msgspec.structs.replace(settings, target=path))
    os.environ[VARIABLE] = msgspec.json.encode(told).decode()


def withdraw(session_id: str, path: str | None) -> None:
    """The session that this process began is over: processes started from here on are none of its workers."""
    told = inherited()
    if told is not None and told.session_id == session_id and told.settings.target == path:
        del os.environ[VARIABLE]


def inherited() -> Inheritance | None:
    """The session that this process is a worker of, with the first process's path as its target."""
    try:
        return msgspec.json.decode(os.environ.get(VARIABLE, ""), type=Inheritance)
    except msgspec.DecodeError:
        return None


def as_worker(told: Inheritance, settings: Settings) -> Settings:
    """The settings for a worker: those given, with a path of the worker's own."""
    from pathlib import Path

    target = worker_path(Path(told.settings.target or "trace.bin"), os.getpid())
    return msgspec.structs.replace(settings, target=str(target))


def same_target(told: Inheritance, settings: Settings) -> bool:
    """Whether settings name the very file that the first process writes.

    A program that starts its session when it is imported does so again in each spawned worker.
    """
    mine = os.path.abspath(settings.target or "trace.bin")
    return settings.sink == told.settings.sink and mine == told.settings.target


def worker_path(path: Path, pid: int) -> Path:
    """`trace.bin` of the first process to `trace.123.bin` of its worker."""
    return path.with_name(f"{path.stem}.{pid}{path.suffix}")


class Lifetime:
    """Has the operating system's and multiprocessing's hooks call the session when the process forks or ends.

    Args:
        forked: called in the child of a fork.
        stop: called when the process ends in order.
    """

    def __init__(self, forked: Callable[[], None], stop: Callable[[], None]) -> None:
        self._forked: Callable[[], None] | None = forked
        self._stop = stop
        self._multiprocessing = False
        atexit.register(stop)
        if hasattr(os, "register_at_fork"):
            # These hooks cannot be taken back, so they look whether the session is still on.
            os.register_at_fork(before=self._before_fork, after_in_child=self._after_fork)
        self._before_fork()

    def _before_fork(self) -> None:
        # A worker of multiprocessing leaves through os._exit, which skips atexit but not its own finalisers; those
        # registered before the fork are forgotten in the child, so this one is registered anew there.
        util = sys.modules.get("multiprocessing.util")
        if util is None or self._multiprocessing or self._forked is None:
            return
        self._multiprocessing = True
        util.register_after_fork(self, Lifetime._finalize_in_worker)
        process = sys.modules.get("multiprocessing.process")
        if process is not None and process.parent_process() is not None:
            self._finalize_in_worker()

    def _finalize_in_worker(self) -> None:
        if self._forked is not None:
            sys.modules["multiprocessing.util"].Finalize(None, self._stop, exitpriority=_LAST)

    def _after_fork(self) -> None:
        if self._forked is not None:
            self._forked()

    def over(self) -> None:
        """The session was stopped."""
        self._forked = None
        atexit.unregister(self._stop)
