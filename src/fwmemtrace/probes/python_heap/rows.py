"""Makes the rows of a phase's record from folds of the heap: by line, stack and package, by growth and by size."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeAlias, TypeVar

from ...records import HeapRow, PackageRow, StackRow
from .fold import HeapFold, PythonStack
from .source_packages import SourcePackages

Line: TypeAlias = tuple[str, int]
Key = TypeVar("Key", bound=Hashable)
# By file and line, stack or package: bytes, change in bytes, blocks, change in blocks.
Change: TypeAlias = tuple[int, int, int, int]


class HeapRows(NamedTuple):
    """The lists of a phase's record."""

    growth: list[HeapRow]
    size: list[HeapRow]
    packages: list[PackageRow]
    stacks: list[StackRow]
    packages_by_size: list[PackageRow]
    stacks_by_size: list[StackRow]


NO_ROWS = HeapRows([], [], [], [], [], [])


def rows(before: HeapFold, after: HeapFold, top: int, *, with_stacks: bool) -> HeapRows:
    """Make the rows of a phase, largest first.

    Args:
        before: the filtered heap at its begin.
        after: the filtered heap at its end.
        top: rows per list.
        with_stacks: whether stacks have more than one frame, and so say more than lines.
    """
    by_line = changes(group(before, line_of), group(after, line_of))
    by_package = changes(group(before, SourcePackages().of), group(after, SourcePackages().of))
    by_stack = changes(before, after) if with_stacks else {}
    return HeapRows(
        [HeapRow(*line, *change) for line, change in top_by_growth(by_line, top)],
        [HeapRow(*line, *change) for line, change in top_by_size(by_line, top)],
        [PackageRow(package, *change) for package, change in top_by_growth(by_package, top)],
        [StackRow(list(stack), *change) for stack, change in top_by_growth(by_stack, top)],
        [PackageRow(package, *change) for package, change in top_by_size(by_package, top)],
        [StackRow(list(stack), *change) for stack, change in top_by_size(by_stack, top)],
    )


def line_of(stack: PythonStack) -> Line:
    """Return the line that allocated."""
    return stack[0]


def group(fold: HeapFold, key_of: Callable[[PythonStack], Key]) -> dict[Key, tuple[int, int]]:
    """Add a fold up by a coarser key."""
    grouped: dict[Key, tuple[int, int]] = {}
    for stack, (size, count) in fold.items():
        key = key_of(stack)
        known = grouped.get(key)
        grouped[key] = (size, count) if known is None else (size + known[0], count + known[1])
    return grouped


def changes(before: dict[Key, tuple[int, int]], after: dict[Key, tuple[int, int]]) -> dict[Key, Change]:
    """Return the present figures and their changes by key, keys without any change included."""
    nothing = (0, 0)
    changed = {}
    for key, (size, count) in after.items():
        size_before, count_before = before.get(key, nothing)
        changed[key] = (size, size - size_before, count, count - count_before)
    for key, (size, count) in before.items():
        if key not in after:
            changed[key] = (0, -size, 0, -count)
    return changed


def top_by_growth(found: dict[Key, Change], top: int) -> list[tuple[Key, Change]]:
    """Return the keys whose bytes changed most: growth first, then what shrank; keys without a change are left out."""
    changed = ((key, change) for key, change in found.items() if change[1] or change[3])
    # Sorted here rather than by heapq, whose own blocks would be listed as the program's.
    return sorted(changed, key=lambda pair: (pair[1][1] > 0, abs(pair[1][1]), pair[1][3]), reverse=True)[:top]


def top_by_size(found: dict[Key, Change], top: int) -> list[tuple[Key, Change]]:
    """Return the keys with the most bytes now."""
    there = ((key, change) for key, change in found.items() if change[0])
    return sorted(there, key=lambda pair: pair[1][0], reverse=True)[:top]
