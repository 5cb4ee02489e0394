"""The Python heap, by tracemalloc."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


class HeapRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to a line of source code."""

    file: str
    line: int
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PackageRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to the lines of a package."""

    package: str
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class StackRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Memory that tracemalloc attributes to a stack."""

    frames: list[tuple[str, int]]  # file and line, innermost first
    size_bytes: int
    delta_bytes: int
    count: int
    delta_count: int


class PythonHeap(Record, frozen=True, gc=False):
    """The Python heap over one phase, by tracemalloc: its growth, its peak, and the lines that grew most."""

    kind: ClassVar[int] = 7

    span: int
    before_bytes: int
    after_bytes: int
    peak_bytes: int
    top: list[HeapRow]  # by growth
    detailed: bool = True  # False if the lines of this run were not read: the lists are empty then
    largest: list[HeapRow] = []  # by size when the phase ended
    packages: list[PackageRow] = []  # by growth
    stacks: list[StackRow] = []  # by growth; only if tracemalloc records more than one frame
    largest_packages: list[PackageRow] = []  # by size when the phase ended
    largest_stacks: list[StackRow] = []  # the same; only if tracemalloc records more than one frame
