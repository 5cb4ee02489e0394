"""Charges rises that were seen at the edges of a decorated function's phase to that function.

A function that allocates and returns within a moment is often over when it is looked for: what runs then is the
tracer, at the end of the function's phase. Its caller has not made the rise, though no other code of the program is on
the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from .. import results

_WRAPPER = ".wrapper"  # how the functions end that stand for decorated ones
# The path of a phase, "" for any, and the file, function and line that called what it decorates; line 0 for any.
_Caller: TypeAlias = tuple[str, str, str, int]


def charge_edges(rises: Sequence[results.Rise], is_ours: Callable[[str], bool]) -> list[results.Rise]:
    """Return the rises, of which those at edges are part of the largest one inside the same function.

    Args:
        rises: of one process; changed.
        is_ours: whether a file is the tracer's own.
    """
    inside: dict[_Caller, results.Rise] = {}
    edges: list[tuple[results.Rise, list[_Caller]]] = []
    kept = []
    for rise in rises:
        place = _innermost_wrapper(rise, is_ours)
        if place is None:
            kept.append(rise)
            continue
        outer = rise.stack[place + 1]
        # A look right after the function has returned may find its phase ended already.
        callers: list[_Caller] = [
            (rise.path, outer.file, outer.function, 0),
            ("", outer.file, outer.function, outer.line),
        ]
        if not place or is_ours(rise.stack[place - 1].file):
            edges.append((rise, callers))
            continue
        kept.append(rise)
        for caller in callers:
            if caller not in inside or inside[caller].bytes < rise.bytes:
                inside[caller] = rise
    for rise, callers in edges:
        maker = next((inside[caller] for caller in callers if caller in inside), None)
        if maker is None:  # the function was never met while it ran
            kept.append(rise)
        else:
            _add(maker, rise)
    return kept


def _innermost_wrapper(rise: results.Rise, is_ours: Callable[[str], bool]) -> int | None:
    """Return where the innermost decorated function begins in the stack; None if there is none with a caller."""
    for place, frame in enumerate(rise.stack[:-1]):
        if frame.function.endswith(_WRAPPER) and is_ours(frame.file):
            return place
    return None


def _add(rise: results.Rise, other: results.Rise) -> None:
    rise.bytes += other.bytes
    rise.looks += other.looks
    rise.at_peak_bytes += other.at_peak_bytes
    rise.kept_bytes += other.kept_bytes
    rise.threads = max(rise.threads, other.threads)
    rise.first_ns = min(rise.first_ns, other.first_ns)
    rise.last_ns = max(rise.last_ns, other.last_ns)
