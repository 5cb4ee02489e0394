"""Decides which source files the Python heap's rows list."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import translate
from os.path import dirname
from re import compile as compile_pattern

from .fold import HeapFold

_OWN_FOLDER = dirname(dirname(dirname(__file__)))


class FileFilter:
    """Selects source files by globs. Files of the tracer itself are never listed.

    Args:
        include: if there are any, only files that match one are listed.
        exclude: files that match one are not listed.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = [compile_pattern(translate(glob)).match for glob in include]
        self._exclude = [compile_pattern(translate(glob)).match for glob in exclude]

    def keeps(self, file: str) -> bool:
        """Return whether lines of that file are listed."""
        if _OWN_FOLDER in file:  # not always at the start: see `tracing.decorators._SKIPPED_FILE`
            return False
        if self._include and not any(match(file) for match in self._include):
            return False
        return not any(match(file) for match in self._exclude)

    def apply(self, fold: HeapFold) -> HeapFold:
        """Return the fold without stacks whose innermost frame is in a file that is not listed."""
        verdicts: dict[str, bool] = {}
        kept = {}
        for stack, figures in fold.items():
            file = stack[0][0]
            verdict = verdicts.get(file)
            if verdict is None:
                verdict = verdicts[file] = self.keeps(file)
            if verdict:
                kept[stack] = figures
        return kept
