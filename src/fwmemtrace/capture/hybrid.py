"""Puts C and C++ frames in their places among Python's."""

from __future__ import annotations

from collections.abc import Sequence

from .frames import LOOP, HybridFrame, PythonFrame

_INSTRUCTION = "_TAIL_CALL_"  # since Python 3.14 each instruction of the loop may be a function


def hybrid_stack(
    python: Sequence[PythonFrame], entries: Sequence[int], native: Sequence[HybridFrame]
) -> list[HybridFrame]:
    """Return the frames of both stacks in one, innermost first.

    A frame of the interpreter's loop gives way to the Python frames that it ran: one that entered the loop, and those
    that were called without leaving it. They are paired outermost first, because memory may be allocated in a loop
    whose Python frame memray has not seen yet.

    Args:
        python: the Python frames, innermost first.
        entries: for each of these, whether it entered the loop.
        native: the C and C++ frames, innermost first.

    Returns:
        Only the Python frames if there are more of them than loops, as where the interpreter has no symbols.
    """
    frames: list[HybridFrame] = []
    left = len(python)
    for frame in reversed(native):
        if not left or not (LOOP in frame[0] or frame[0].startswith(_INSTRUCTION)):
            frames.append(frame)
            continue
        while left:
            left -= 1
            frames.append((*python[left], None))
            if left and entries[left - 1]:
                break
    if left:
        return [(*frame, None) for frame in python]
    frames.reverse()
    return frames
