"""fwmemtrace finds where the memory of a Python service went.

    import fwmemtrace
    from fwmemtrace import phase

    with fwmemtrace.session("trace.bin", probes=["resident", "python_heap"]):
        with phase("init"):
            ...

    print(fwmemtrace.read("trace.bin").report("text"))

Importing this package imports nothing heavy: sessions and readers are loaded when they are first used.
"""

from __future__ import annotations

import os as _os
import sys as _sys

from ._version import __version__
from .errors import (
    CaptureError,
    FwmemtraceError,
    MissingPackageError,
    PhaseError,
    ProbeUnavailable,
    ProgramError,
    SessionError,
    SettingsError,
    SinkError,
    SuiteError,
    TraceFileError,
)
from .lazy import load_when_used as _load_when_used
from .recording.switch import session, snapshot, start, stop
from .tracing.phases import Phase, annotate, phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .heap.deep_size import deep_size
    from .recording.session import Session
    from .trace import Trace, read
else:
    __getattr__, __dir__ = _load_when_used(
        __name__,
        {
            "heap.deep_size": ("deep_size",),
            "integrations.notebook": ("load_ipython_extension",),  # for %load_ext, which looks for it here
            "recording.session": ("Session",),
            "trace": ("Trace", "read"),
        },
    )

__all__ = [
    "CaptureError",
    "FwmemtraceError",
    "MissingPackageError",
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
    "annotate",
    "deep_size",
    "phase",
    "read",
    "session",
    "snapshot",
    "start",
    "stop",
]


def _is_multiprocessing_worker() -> bool:
    process = _sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # A spawned worker imports the program's main module before it knows its parent. Until then it is "inheriting".
    return process.parent_process() is not None or getattr(process.current_process(), "_inheriting", False)


def _start_from_environment() -> None:
    own_command = _sys.orig_argv[1:3] == ["-m", __name__] or _os.path.basename(_sys.argv[0] or "") == __name__
    worker = "FWMEMTRACE_PARENT" in _os.environ and _is_multiprocessing_worker()
    if not own_command and (worker or _os.environ.get("FWMEMTRACE")):
        from .recording.switch import start_from_environment

        start_from_environment(worker=worker)
    elif _os.environ.get("FWMEMTRACE_MARKERS", "0") not in ("", "0"):
        from .probes.native.markers_only import install

        install()


_start_from_environment()
