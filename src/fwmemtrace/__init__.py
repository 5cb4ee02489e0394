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
    TraceFileError,
)
from .phases import Phase, phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .session import Session, session, start, stop
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
    "Trace",
    "TraceFileError",
    "__version__",
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
}


def __getattr__(name: str) -> Any:
    module_name = _LAZY.get(name)
    if module_name is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    full_name = f"{__name__}.{module_name}"
    __import__(full_name)
    # Importing a submodule binds its own name here too, which is the function's name for `session`: bind them all anew.
    module = _sys.modules[full_name]
    for public, home in _LAZY.items():
        if home == module_name:
            globals()[public] = getattr(module, public)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(__all__)


def _start_from_environment() -> None:
    own_command = _sys.orig_argv[1:3] == ["-m", __name__] or _os.path.basename(_sys.argv[0] or "") == __name__
    process = _sys.modules.get("multiprocessing.process")
    worker = process is not None and process.parent_process() is not None and "FWMEMTRACE_PARENT" in _os.environ
    if not own_command and (worker or _os.environ.get("FWMEMTRACE")):
        from .session import start_from_environment

        globals()["session"] = __getattr__("session")
        start_from_environment()


_start_from_environment()
