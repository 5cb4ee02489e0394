"""Every error that fwmemtrace raises on purpose.

A message is one line that the command line can print as it is: what is wrong, with the value, and what to do about it.
"""

from __future__ import annotations

import sys
from os.path import dirname

from .values import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_OURS = dirname(__file__)
_MOST_LISTED, _LONGEST_LISTED = 20, 80  # names in a message, and characters of each


class FwmemtraceError(Exception):
    """The base class of all errors that this library raises on purpose."""


class PhaseError(FwmemtraceError, TypeError):
    """`phase` was given a bad name, a bad attribute, or something that it cannot decorate."""


class SettingsError(FwmemtraceError, ValueError):
    """A setting is unknown or has a bad value; the message says where it was set."""


class SessionError(FwmemtraceError, RuntimeError):
    """A session was started while another one was on, or stopped when none was."""


class ProbeUnavailable(FwmemtraceError, RuntimeError):  # noqa: N818  (a state of affairs more than an error)
    """A probe cannot work on this machine. Raised by `Probe.start`; fatal only for probes named in `required`."""


class SinkError(FwmemtraceError, OSError):
    """A sink cannot be opened or written to."""


class RecordError(FwmemtraceError, ValueError):
    """A record cannot be written, which costs this record and not those after it."""


class TraceFileError(FwmemtraceError, ValueError):
    """A file is not a trace, or not one that this version can read."""


class CaptureError(FwmemtraceError, ValueError):
    """A memray capture is missing, unreadable, or in a format that cannot be divided by phase."""


class ProgramError(FwmemtraceError, RuntimeError):
    """`run` was given a program that cannot be started."""


class SuiteError(FwmemtraceError, ValueError):
    """A suite cannot be imported, or its components are not valid."""


class MissingPackageError(FwmemtraceError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""


def missing_package(what: str, package: str, extra: str) -> MissingPackageError:
    """Return the error about an optional package.

    Args:
        what: what needs it.
        package: its name.
        extra: the extra of fwmemtrace that brings it.
    """
    return MissingPackageError(f"{what} needs {package}, which is not installed; pip install 'fwmemtrace[{extra}]'")


def warn(message: str) -> None:
    """Show a warning at the program's line, without raising in the traced program where warnings are errors."""
    import warnings

    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    try:
        warnings.warn(f"fwmemtrace: {visible(message)}", RuntimeWarning, stacklevel=level)
    except Exception:  # warnings may be errors, or standard error closed
        pass


def unknown_name(kind: str, name: str, known: Sequence[str], where: str = "") -> str:
    """Return the message about a name that does not exist, with the closest one that does.

    Args:
        kind: what the name should be the name of, such as "probe".
        name: the unknown name.
        known: the names that exist.
        where: where the name was given, if the message should say so.

    >>> unknown_name("probe", "naitve", ["resident", "native"])
    "unknown probe 'naitve'; did you mean 'native'?"
    """
    import difflib  # only once something is wrong: it is big

    close = difflib.get_close_matches(name, known, n=1)
    listed = [*map(_cut, known[:_MOST_LISTED]), *([f"{len(known) - _MOST_LISTED} more"] * (len(known) > _MOST_LISTED))]
    advice = f"did you mean {_cut(close[0])!r}?" if close else f"choose from {', '.join(listed)}"
    place = f" in {where}" if where else ""
    return f"unknown {kind} {_cut(name)!r}{place}; {advice}"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_LISTED else f"{name[: _LONGEST_LISTED - 1]}…"
