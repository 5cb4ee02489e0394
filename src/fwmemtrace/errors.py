"""Every error that fwmemtrace raises on purpose.

Each message says what was found, what was expected and what to do about it, in one line, so that the command line can
print it as it is.
"""

from __future__ import annotations


class FwmemtraceError(Exception):
    """The base of all of them: `except fwmemtrace.FwmemtraceError` catches whatever this library raises by intent."""


class PhaseError(FwmemtraceError, TypeError):
    """`phase` was given something that names no phase, or an attribute of a type that no record can carry."""


class SettingsError(FwmemtraceError, ValueError):
    """A setting is unknown or its value is of no use; the message names the place it came from."""


class SessionError(FwmemtraceError, RuntimeError):
    """A session was started twice, or stopped without one."""


class ProbeUnavailable(FwmemtraceError, RuntimeError):  # noqa: N818  (the state it tells of is the name users know)
    """A probe cannot work here. Raised by `Probe.start`; an error only for probes named in `required`."""


class SinkError(FwmemtraceError, OSError):
    """A sink could not be opened: the session does not start."""


class TraceFileError(FwmemtraceError, ValueError):
    """A file is not a trace, or not one that this version can read."""


class CaptureError(FwmemtraceError, ValueError):
    """A memray capture is missing, unreadable, or of a format that cannot be cut by phase."""


class ProgramError(FwmemtraceError, RuntimeError):
    """`run` was given a program that cannot be started."""


class SuiteError(FwmemtraceError, ValueError):
    """A suite's components cannot be found, or are none."""
