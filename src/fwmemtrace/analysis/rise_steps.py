"""Tells the steps of a function apart: its rises in different phases, and at lines that ran one after another."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from .. import results

_OWN_STEP = 0.1  # of the function's rises: a phase or line with less goes with others


def split_by_phase(rises: Sequence[results.Rise]) -> list[list[results.Rise]]:
    """Returns the rises of a function by phase. Phases that are small go together."""
    return _large_pieces(rises, lambda rise: rise.path)


def split_by_line(rises: Sequence[results.Rise]) -> list[list[results.Rise]]:
    """Returns the rises of a function by line, in the order of time.

    Lines that made RSS rise in turns, as those of a loop do, stay together.
    """
    pieces = sorted(_large_pieces(rises, _line), key=lambda piece: _first(_largest_line(piece)))
    steps: list[list[results.Rise]] = []
    until = 0
    for piece in pieces:
        line = _largest_line(piece)
        if steps and _first(line) < until:
            steps[-1] += piece
        else:
            steps.append(piece)
        until = max(until, *(rise.last_ns for rise in line))
    return steps


def _large_pieces(
    rises: Sequence[results.Rise], key_of: Callable[[results.Rise], Hashable]
) -> list[list[results.Rise]]:
    """Returns the rises by key. A small piece goes with the large one that began last before it."""
    pieces: dict[Hashable, list[results.Rise]] = {}
    for rise in rises:
        pieces.setdefault(key_of(rise), []).append(rise)
    whole = _size(rises)
    large = sorted((piece for piece in pieces.values() if _size(piece) >= max(1, _OWN_STEP * whole)), key=_first)
    if not large or sum(map(_size, large)) < (1 - _OWN_STEP) * whole:  # none of many small ones stands for the others
        return [list(rises)]
    begins = [_first(piece) for piece in large]
    for piece in pieces.values():
        if not any(piece is one for one in large):
            earlier = sum(1 for begin in begins if begin <= _first(piece))
            large[max(0, earlier - 1)] += piece
    return large


def _largest_line(rises: Sequence[results.Rise]) -> list[results.Rise]:
    lines: dict[Hashable, list[results.Rise]] = {}
    for rise in rises:
        lines.setdefault(_line(rise), []).append(rise)
    return max(lines.values(), key=_size)


def _line(rise: results.Rise) -> int:
    return rise.line.line if rise.line is not None else 0


def _first(rises: Sequence[results.Rise]) -> int:
    return min(rise.first_ns for rise in rises)


def _size(rises: Sequence[results.Rise]) -> int:
    return sum(max(rise.at_peak_bytes, rise.kept_bytes) for rise in rises)
