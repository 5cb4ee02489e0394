"""Joins functions that make RSS rise together, such as the layers of a request, under the function that calls them.

What a loop of the module calls is joined with the loop, which is often what runs when a rise is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from .. import results
from ..capture.own_frames import is_program_code

FunctionKey: TypeAlias = tuple[str, str]  # file and name

_ALONE = 0.85  # of all rises: a function with as much needs no caller to explain it
_ALL = 0.8  # of all rises: what the caller has to account for, with what it called
_MEMBER = 0.05  # of the caller's: functions with less do not count
_LOOP = 0.5  # of what it calls, at most: a loop with more has allocated it itself
_MEANWHILE = 0.5  # of the time that the caller's rises took: what takes less is a step of its own, not a layer


def find_caller(
    grouped: Mapping[FunctionKey, Sequence[results.Rise]], name_of: Callable[[str], str]
) -> results.Frame | None:
    """Returns the innermost function that nearly all rises lie below, with its line, if several functions share them.

    Functions that make RSS rise one after the other, as the steps of a job do, are reported one by one.

    Args:
        grouped: the rises of each function of the program.
        name_of: returns the function that a qualified name belongs to.
    """
    rises = [rise for group in grouped.values() for rise in group if rise.line is not None]
    total = sum(rise.at_peak_bytes for rise in rises)
    sums: dict[FunctionKey, int] = {}
    depths: dict[FunctionKey, int] = {}
    for rise in rises:
        for depth, key in enumerate(_callers(rise, name_of)):
            sums[key] = sums.get(key, 0) + rise.at_peak_bytes
            depths[key] = depths.get(key, 0) + depth * rise.at_peak_bytes
    found = min(
        (key for key in sums if sums[key] >= _ALL * total), key=lambda key: depths[key] / sums[key], default=None
    )
    if found is None or not _interleaved(grouped, found, sums[found], name_of):
        return None
    if any(_size(group) >= _ALONE * total for key, group in grouped.items() if key != found):
        return None
    lines: dict[int, int] = {}
    for rise in rises:
        for frame in rise.stack:
            if (frame.file, name_of(frame.function)) == found:
                lines[frame.line] = lines.get(frame.line, 0) + rise.at_peak_bytes
                break
    file, function = found
    return results.Frame(function=function, file=file, line=max(lines, key=lambda line: lines[line]))


def find_loop(
    grouped: Mapping[FunctionKey, Sequence[results.Rise]], name_of: Callable[[str], str]
) -> tuple[FunctionKey, FunctionKey] | None:
    """Returns the function that makes most, and the module or `main` that calls it, if RSS rose there meanwhile, too.

    Args:
        grouped: the rises of each function of the program.
        name_of: returns the function that a qualified name belongs to.
    """
    largest = max(grouped, key=lambda key: _size(grouped[key]), default=None)
    if largest is None:
        return None
    made = grouped[largest]
    lines = {(frame.file, name_of(frame.function), frame.line) for rise in made for frame in rise.stack}
    for key, group in grouped.items():
        called = all(any((frame.file, name_of(frame.function)) == key for frame in rise.stack) for rise in made)
        if key == largest or is_named(key[1]) or not called or {r.path for r in group} != {r.path for r in made}:
            continue
        same_line = all(rise.line is not None and (*key, rise.line.line) in lines for rise in group)
        if _size(group) <= _LOOP * _size(made) and (same_line or _lasts(group) >= _MEANWHILE * _lasts(made)):
            return largest, key
    return None


def is_named(function: str) -> bool:
    """Tells whether a function's name says what it does; that of a module or a `main` does not."""
    return function != "main" and not function.startswith("<")


def _lasts(rises: Sequence[results.Rise]) -> int:
    return max(rise.last_ns for rise in rises) - min(rise.first_ns for rise in rises)


def is_below(rise: results.Rise, caller: results.Frame, name_of: Callable[[str], str]) -> bool:
    """Tells whether a function made a rise or called what made it."""
    return (caller.file, caller.function) in _callers(rise, name_of)


def _callers(rise: results.Rise, name_of: Callable[[str], str]) -> list[FunctionKey]:
    """Returns the program's functions on the stack, innermost first. A module is none, nor is one named main."""
    keys = ((frame.file, name_of(frame.function)) for frame in rise.stack if is_program_code(frame.file))
    return list(dict.fromkeys(key for key in keys if is_named(key[1])))


def _interleaved(
    grouped: Mapping[FunctionKey, Sequence[results.Rise]],
    caller: FunctionKey,
    size: int,
    name_of: Callable[[str], str],
) -> bool:
    members = []
    for group in grouped.values():
        below = [rise for rise in group if caller in _callers(rise, name_of)]
        if _size(below) >= _MEMBER * size:
            members.append((min(rise.first_ns for rise in below), max(rise.last_ns for rise in below)))
    whole = max(last for _, last in members) - min(first for first, _ in members)
    return len(members) > 1 and all(last - first >= _MEANWHILE * whole for first, last in members)


def _size(rises: Sequence[results.Rise]) -> int:
    return sum(rise.at_peak_bytes for rise in rises)
