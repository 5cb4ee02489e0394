"""fwmemtrace: finds where the memory of a Python service went.

    import fwmemtrace
    from fwmemtrace import phase

    with fwmemtrace.session("trace.bin", probes=["resident", "python_heap"]):
        with phase("init"):
            ...

    print(fwmemtrace.read("trace.bin").report("text"))

Importing this package imports nothing heavy: what a session or a reader needs is loaded when one is asked for.
"""

from __future__ import annotations

import os as _os
import sys as _sys

from ._version import __version__
from .errors import (
    CaptureError,
    FwmemtraceError,
    PhaseError,
    ProbeUnavailable,
    ProgramError,
    SessionError,
    SettingsError,
    SinkError,
    SuiteError,
    TraceFileError,
)
from .phases import Phase, phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .session import Session, session, start, stop
    from .sizes import deep_size
    from .trace import Trace, read

__all__ = [
    "CaptureError",
    "FwmemtraceError",
    "Phase",
    "PhaseError",
    "ProbeUnavailable",
    "ProgramError",
    "Session",
    "SessionError",
    "SettingsError",
    "SinkError",
    "SuiteError",
    "Trace",
    "TraceFileError",
    "__version__",
    "deep_size",
    "phase",
    "read",
    "session",
    "start",
    "stop",
]

_LAZY = {
    "Session": "session",
    "session": "session",
    "start": "session",
    "stop": "session",
    "Trace": "trace",
    "read": "trace",
    "deep_size": "sizes",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    full_name = f"{__name__}.{_LAZY[name]}"
    __import__(full_name)
    value = globals()[name] = getattr(_sys.modules[full_name], name)
    return value


class _Package(type(_sys)):  # type: ignore[misc]  # types.ModuleType, without importing types
    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds a submodule to its name here: the module `session` must not hide the function.
        if name == "session" and isinstance(value, type(_sys)):
            value = value.session
        super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)


def _is_multiprocessing_worker() -> bool:
    process = _sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # A spawned worker imports the program's main module before it knows its parent; until then it is "inheriting".
    return process.parent_process() is not None or getattr(process.current_process(), "_inheriting", False)


def _start_from_environment() -> None:
    own_command = _sys.orig_argv[1:3] == ["-m", __name__] or _os.path.basename(_sys.argv[0] or "") == __name__
    worker = "FWMEMTRACE_PARENT" in _os.environ and _is_multiprocessing_worker()
    if not own_command and (worker or _os.environ.get("FWMEMTRACE")):
        from .session import start_from_environment

        start_from_environment()
    elif _os.environ.get("FWMEMTRACE_MARKERS", "0") not in ("", "0"):
        from .probes.marks_only import install

        install()


_start_from_environment()
