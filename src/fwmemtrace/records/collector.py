"""Runs of the garbage collector."""

from __future__ import annotations

from typing import ClassVar

from .base import Record


class Collections(Record, frozen=True, gc=False):
    """What the garbage collector did in one phase."""

    kind: ClassVar[int] = 33

    span: int
    runs: list[int]  # by generation
    wall_ns: int
    collected: int  # objects
    uncollectable: int


class FullCollection(Record, frozen=True, gc=False):
    """A full collection that the probe `collector` made after an outermost phase, and what it freed."""

    kind: ClassVar[int] = 34

    span: int
    wall_ns: int
    collected: int
    uncollectable: int
    rss_before_bytes: int
    rss_after_bytes: int
    heap_bytes: int | None  # freed in the Python heap; None if tracemalloc is off
