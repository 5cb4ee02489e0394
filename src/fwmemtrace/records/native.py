"""Captures of memray."""

from __future__ import annotations

from typing import ClassVar

from .base import Record


class CaptureChunk(Record, frozen=True, gc=False):
    """A part of another tool's file, moved into the trace when the session was stopped."""

    kind: ClassVar[int] = 11

    tool: str  # "memray", or "heap" for the tables of the sampled heap
    offset: int
    total: int  # of the whole file
    data: bytes


class MappedLibrary(Record, frozen=True, gc=False):
    """A shared library that is mapped; recorded with native traces, whose function names depend on it."""

    kind: ClassVar[int] = 20

    path: str
    build: str | None  # its GNU build ID, or else its size in words; None if it was replaced or cannot be read
