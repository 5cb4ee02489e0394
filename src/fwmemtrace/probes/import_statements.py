"""Where an import comes from: the statement, and the nearest line of the program's own code."""

from __future__ import annotations

import os
import sys
from os.path import dirname
from types import FrameType
from typing import Any

from ..packages import PACKAGE_FOLDERS

_MACHINERY = "<frozen importlib"
# Where code of the program's own is not: in no file, in the standard library, in this package.
_NOT_OWN = ("<", f"{dirname(os.__file__)}{os.sep}", f"{dirname(dirname(__file__))}{os.sep}")
_INSTALLED = tuple(f"{os.sep}{folder}{os.sep}" for folder in PACKAGE_FOLDERS)


def importer(caller: str) -> FrameType | None:
    """Return the frame of the import statement that is running.

    Args:
        caller: the name of the module that asks, whose own frames are left out.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_filename.startswith(_MACHINERY) or frame.f_globals.get("__name__") in ("importlib", caller)
    ):
        frame = frame.f_back
    return frame


def place(frame: FrameType | None) -> str:
    """Return the module and line that a frame is at, such as "service:12"."""
    return "" if frame is None else f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno}"


def own_code(frame: FrameType | None, *, in_import: bool) -> tuple[str, int]:
    """Return the nearest line of the program's own code, from the frame outwards.

    Args:
        frame: of the import statement.
        in_import: whether to stop at the import that is around it, whose own line is already known.
    """
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_MACHINERY):
            if in_import:
                break
        elif not (file.startswith(_NOT_OWN) or any(folder in file for folder in _INSTALLED)):
            return file, frame.f_lineno or 0
        frame = frame.f_back
    return "", 0


def file_of(module: Any) -> str | None:
    """Return the file of a module; None if it has none."""
    # Not getattr: reading an attribute may make a lazy module load itself.
    try:
        file = object.__getattribute__(module, "__dict__").get("__file__")
    except AttributeError:
        return None
    return file if isinstance(file, str) else None
