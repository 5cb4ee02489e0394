"""Rows for people from folds of the heap: by line, by stack, by package, by growth and by size."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Sequence
from fnmatch import translate
from pathlib import PurePath
from re import compile as compile_pattern
from sysconfig import get_paths
from typing import NamedTuple, TypeAlias, TypeVar

from ...records import HeapRow, PackageRow, StackRow
from .fold import Fold, Frames

Line: TypeAlias = tuple[str, int]
Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row", HeapRow, PackageRow, StackRow)
# File, line, frames or package: bytes, change in bytes, blocks, change in blocks.
Change: TypeAlias = tuple[int, int, int, int]

# Asked for before tracing is on: it imports a module, which would count as the first phase's.
_LIBRARY = {get_paths()["stdlib"], get_paths()["platstdlib"]}
_OWN_FOLDER = str(PurePath(__file__).parents[2])


class HeapRows(NamedTuple):
    """What a phase's record lists."""

    growth: list[HeapRow]
    size: list[HeapRow]
    packages: list[PackageRow]
    stacks: list[StackRow]
    packages_by_size: list[PackageRow]
    stacks_by_size: list[StackRow]


NOTHING = HeapRows([], [], [], [], [], [])


class FileFilter:
    """Which source files are listed. Files of the tracer itself never are.

    Args:
        include: globs; if there are any, only files that match one.
        exclude: globs; no file that matches one.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = [compile_pattern(translate(glob)).match for glob in include]
        self._exclude = [compile_pattern(translate(glob)).match for glob in exclude]

    def keeps(self, file: str) -> bool:
        """Whether lines of that file are listed."""
        if file.startswith(_OWN_FOLDER):
            return False
        if self._include and not any(match(file) for match in self._include):
            return False
        return not any(match(file) for match in self._exclude)

    def apply(self, fold: Fold) -> Fold:
        """The fold without the stacks whose innermost frame is in a file that is not listed."""
        verdicts: dict[str, bool] = {}
        kept = {}
        for frames, figures in fold.items():
            file = frames[0][0]
            verdict = verdicts.get(file)
            if verdict is None:
                verdict = verdicts[file] = self.keeps(file)
            if verdict:
                kept[frames] = figures
        return kept


def rows(before: Fold, after: Fold, top: int, *, with_stacks: bool) -> HeapRows:
    """The rows of a phase, largest first.

    Args:
        before: the heap when it began, filtered.
        after: the heap when it ended, filtered.
        top: rows in each list.
        with_stacks: whether there is more than one frame, so that stacks say more than lines.
    """
    by_line = changes(group(before, line_of), group(after, line_of))
    by_package = changes(group(before, Packages().of), group(after, Packages().of))
    by_stack = changes(before, after) if with_stacks else {}
    return HeapRows(
        [HeapRow(*line, *change) for line, change in top_by_growth(by_line, top)],
        [HeapRow(*line, *change) for line, change in top_by_size(by_line, top)],
        [PackageRow(package, *change) for package, change in top_by_growth(by_package, top)],
        [StackRow(list(frames), *change) for frames, change in top_by_growth(by_stack, top)],
        [PackageRow(package, *change) for package, change in top_by_size(by_package, top)],
        [StackRow(list(frames), *change) for frames, change in top_by_size(by_stack, top)],
    )


def line_of(frames: Frames) -> Line:
    """The line that allocated."""
    return frames[0]


def group(fold: Fold, key_of: Callable[[Frames], Key]) -> dict[Key, tuple[int, int]]:
    """Add a fold up by a coarser key."""
    grouped: dict[Key, tuple[int, int]] = {}
    for frames, (size, count) in fold.items():
        key = key_of(frames)
        known = grouped.get(key)
        grouped[key] = (size, count) if known is None else (size + known[0], count + known[1])
    return grouped


def changes(before: dict[Key, tuple[int, int]], after: dict[Key, tuple[int, int]]) -> dict[Key, Change]:
    """What is there now and how it differs, by key; keys whose figures are the same before and after included."""
    nothing = (0, 0)
    found = {}
    for key, (size, count) in after.items():
        size_before, count_before = before.get(key, nothing)
        found[key] = (size, size - size_before, count, count - count_before)
    for key, (size, count) in before.items():
        if key not in after:
            found[key] = (0, -size, 0, -count)
    return found


def top_by_growth(found: dict[Key, Change], top: int) -> list[tuple[Key, Change]]:
    """Those whose bytes changed most, growth first, then what shrank; those that did not change at all left out."""
    changed = ((key, change) for key, change in found.items() if change[1] or change[3])
    # Sorted here rather than by heapq, whose own blocks would be listed as the program's.
    return sorted(changed, key=lambda pair: (pair[1][1] > 0, abs(pair[1][1]), pair[1][3]), reverse=True)[:top]


def top_by_size(found: dict[Key, Change], top: int) -> list[tuple[Key, Change]]:
    """Those with the most bytes now."""
    there = ((key, change) for key, change in found.items() if change[0])
    return sorted(there, key=lambda pair: pair[1][0], reverse=True)[:top]


class Packages:
    """Names the package that a source file belongs to.

    A file below site-packages belongs to the package of that folder's name, one of Python's own library to "stdlib",
    any other to the top-level package of the loaded module that it is the source of, or to its folder's name.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._modules: dict[str, str] | None = None

    def of(self, frames: Frames) -> str:
        """The package of the line that allocated."""
        file = frames[0][0]
        package = self._known.get(file)
        if package is None:
            package = self._known[file] = self._find(file)
        return package

    def _find(self, file: str) -> str:
        if file.startswith("<frozen "):
            return "stdlib"
        if file.startswith("<"):  # <unknown>: no Python code ran; <string>: exec
            return file
        parts = PurePath(file).parts
        for folder in ("site-packages", "dist-packages"):
            if folder in parts[:-1]:
                return parts[parts.index(folder) + 1].removesuffix(".py")
        if any(file.startswith(library) for library in _LIBRARY):
            return "stdlib"
        if self._modules is None:
            self._modules = _sources(list(sys.modules.items()))
        return self._modules.get(file) or PurePath(file).parent.name or file


def _sources(modules: Iterable[tuple[str, object]]) -> dict[str, str]:
    found = {}
    for name, module in modules:
        # The dictionary, not the attribute: a lazy module's `__getattr__` would load it.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str):
            found[file] = name.partition(".")[0]
    return found
