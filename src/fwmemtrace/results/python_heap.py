"""Results of the probe `python_heap`: what tracemalloc traces, by line, package and stack."""

from __future__ import annotations

from .base import Result


class HeapSite(Result, kw_only=True):
    """One line of code and the memory that it allocated."""

    file: str  # path of the file
    line: int  # line number
    size_bytes: int  # allocated there and not freed when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # number of blocks when the phase ended
    delta_count: int  # change of that number


class HeapPackage(Result, kw_only=True):
    """One package and the memory that its code allocated."""

    package: str  # name
    size_bytes: int  # allocated there and not freed when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # number of blocks when the phase ended
    delta_count: int  # change of that number


class HeapLine(Result, kw_only=True):
    """One frame of a stack of tracemalloc, which does not keep function names."""

    file: str  # path of the file
    line: int  # line number


class HeapStack(Result, kw_only=True):
    """One stack and the memory that it allocated."""

    stack: list[HeapLine]  # innermost first
    size_bytes: int  # allocated there and not freed when the phase ended
    delta_bytes: int  # change over the phase
    count: int  # number of blocks when the phase ended
    delta_count: int  # change of that number


class PythonHeap(Result, kw_only=True):
    """What tracemalloc traces over a phase, phases inside it included."""

    delta_bytes: int  # change of the traced bytes
    peak_bytes: int  # the most traced bytes at once
    top: list[HeapSite]  # the lines that grew most, over the calls that were read line by line
    detailed_calls: int = 0  # number of calls that were read line by line
    largest: list[HeapSite] = []  # the largest lines when the latest of these calls ended
    packages: list[HeapPackage] = []  # the packages that grew most
    stacks: list[HeapStack] = []  # the stacks that grew most; empty if tracemalloc keeps one frame
    largest_packages: list[HeapPackage] = []  # the largest packages when the latest of these calls ended
    largest_stacks: list[HeapStack] = []  # the largest stacks then; empty if tracemalloc keeps one frame
