"""How a place in the code is written: a file, a frame, a stack."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..capture.stacks import informative_frames
from ..packages import PACKAGE_FOLDERS

_FRAMES = 3  # of a stack


def stack_words(site: results.NativeSite) -> str:
    """Returns the frames of a stack that say most, innermost first, and the operator and library that allocated.

    The program's own line is among them, also if it is further out.
    """
    return frames_words(site.stack, site.caller, [site.operator, site.library])


def frames_words(
    stack: Sequence[results.Frame], caller: results.Frame | None, allocated_by: Sequence[str | None]
) -> str:
    """Returns the same for a stack of any probe.

    Args:
        stack: its frames, innermost first.
        caller: the innermost frame of the program's own code.
        allocated_by: what asked for the memory, the library last; None for what is not known.
    """
    library = allocated_by[-1] if allocated_by else None
    shown = informative_frames(stack, _FRAMES)
    frames = [_frame(frame, library) for frame in shown]
    if caller is not None and caller not in shown:
        frames.append(f"... {_frame(caller, None)}")
    by = [name for name in allocated_by if name]
    return " < ".join(frames or ["no frame"]) + (f"  [{', '.join(by)}]" if by else "")


def _frame(frame: results.Frame, library: str | None) -> str:
    if frame.file and frame.line:
        return f"{frame.function} {short(frame.file)}:{frame.line}"
    return frame.function if frame.library in (None, library) else f"{frame.function} ({frame.library})"


def short(file: str) -> str:
    """Returns a file's path from its package on, by which a reader knows it.

    >>> short("/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py")
    'torch/nn/modules/linear.py'
    """
    for folder in PACKAGE_FOLDERS:
        if f"/{folder}/" in file:
            return file.rpartition(f"/{folder}/")[2]
    parts = file.split("/")
    for number, part in enumerate(parts):
        if part.startswith("python3.") and number + 1 < len(parts):
            return "/".join(parts[number + 1 :])
    return "/".join(parts[-2:]) if len(parts) > 2 else file
