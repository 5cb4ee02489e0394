"""A signal handler switches sessions, takes snapshots, runs phases and raises at any moment of `start` and `stop`.

Nothing but what the handler raises may reach the program, and when all is over nothing of a session may be left.
"""

from __future__ import annotations

import gc
import importlib._bootstrap as bootstrap
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import SessionError
from fwmemtrace.recording.session import Session
from fwmemtrace.recording.switch import current_session
from fwmemtrace.tracing import active
from stress.outcome import Outcome

FULL, SMALL = 3_000, 100
_MINE = "too slow"
_PROBES = (["resident"], ["imports", "mappings"], ["collector", "objects", "tensors"], ["python_heap"], ["heap"])
_MOST_SIGNALS = 12  # for each attack
_FEW_SESSIONS = 3  # tracebacks of exceptions may hold the latest ones
_ENDED_S = 1.5  # a thread of a session whose stop was interrupted may take that long to end
_FEW_DESCRIPTORS = 40  # an exception between the opening of a file and the next instruction leaves that file open


class SoftLimitError(Exception):
    """Raised by the handler."""


_LIMITS = (SoftLimitError, TimeoutError, KeyboardInterrupt, RuntimeError)


def run(number: int) -> Outcome:
    """Switch a session on and off that many times."""
    outcome = Outcome(number)
    handled = dict.fromkeys(["stop", "start", "snapshot", "phase", "raise"], 0)
    choices: list[str] = []

    left_to_send = 0

    def handle(*_: object) -> None:
        nonlocal left_to_send
        if left_to_send <= 0:
            return
        left_to_send -= 1
        signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-5, 1e-3))
        choice = random.choice(choices)
        handled[choice] += 1
        if choice == "raise":
            raise random.choice(_LIMITS)(_MINE)
        _quietly(_ACTIONS[choice])

    shown: list[str] = []
    showing, warnings.showwarning = warnings.showwarning, lambda message, *_: shown.append(str(message))
    before = signal.signal(signal.SIGALRM, handle)
    with fwmemtrace.session("first.bin", interval="1ms", probes="all", overwrite=True):  # imports everything
        fwmemtrace.snapshot()
    things, files, threads = _around(), _open_files(), len(os.listdir("/proc/self/task"))
    for attack in range(number):
        choices[:] = handled if attack % 2 else handled.keys() - {"raise"}
        try:
            left_to_send = random.randint(1, _MOST_SIGNALS)
            signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-5, 4e-3))
            _quietly(lambda: _switch(_PROBES[attack % len(_PROBES)]))  # noqa: B023
        except BaseException as error:
            left_to_send = 0
            outcome.expect(error.args == (_MINE,), f"{error!r} reached the program")
        left_to_send = 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        _quietly(fwmemtrace.stop)
        left = {name: thing for name, thing in _around().items() if thing != things[name]}
        outcome.expect(not left, f"left behind: {left}")
    signal.signal(signal.SIGALRM, before)
    warnings.showwarning = showing
    more = _open_files() - files
    outcome.expect(more <= _FEW_DESCRIPTORS, f"{more} more files are open")
    outcome.expect(not shown, f"a warning: {shown[:1]}")
    time.sleep(_ENDED_S)
    outcome.expect(len(os.listdir("/proc/self/task")) <= threads, "threads of a session go on")
    gc.collect()
    sessions = sum(isinstance(thing, Session) for thing in gc.get_objects())
    outcome.expect(sessions <= _FEW_SESSIONS, f"{sessions} sessions are in memory")
    with fwmemtrace.session("after.bin", interval=0, overwrite=True), phase("after"):
        pass
    outcome.expect(
        [row.path for row in fwmemtrace.read("after.bin").phases if row.path] == ["after"], "recording ended"
    )
    outcome.figures = {f"times {choice}": count for choice, count in handled.items()}
    return outcome


def _switch(probes: list[str]) -> None:
    with fwmemtrace.session("switching.bin", interval="2ms", probes=probes, overwrite=True), phase("round"):
        fwmemtrace.snapshot()
    fwmemtrace.start("switching.bin", probes=probes, overwrite=True, mode="production", snapshot_signal="SIGUSR2")
    with phase("round"):
        pass
    fwmemtrace.stop()


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except SessionError:  # one is on already, or none is
        pass


def _run_phase() -> None:
    with phase("in the handler", url="https://example.org/?a=1"):
        pass


_ACTIONS: dict[str, Callable[[], object]] = {
    "stop": fwmemtrace.stop,
    "start": lambda: fwmemtrace.start("handler.bin", overwrite=True, interval="2ms"),
    "snapshot": fwmemtrace.snapshot,
    "phase": _run_phase,
}


def _around() -> dict[str, object]:
    return {
        "session": current_session(),
        "tracer": active.installed(),
        "import system": [
            getattr(bootstrap, name) for name in ("_load_unlocked", "_find_and_load", "_handle_fromlist")
        ],
        "finders": list(sys.meta_path),
        "profile": (sys.getprofile(), threading.getprofile()),
        "collector": (gc.isenabled(), len(gc.callbacks)),
        "handler": signal.getsignal(signal.SIGUSR2),
        "environment": "FWMEMTRACE_PARENT" in os.environ,
        "switch interval": sys.getswitchinterval(),
    }


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
