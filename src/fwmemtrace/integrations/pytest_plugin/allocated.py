"""Counts with memray what a test allocates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Allocated:
    """The bytes that a block allocated; None until it has ended, or where they cannot be read."""

    size: int | None = None


@contextmanager
def count_allocated() -> Iterator[Allocated]:
    """Track the block with memray (`Tracker`), and add up all that it allocated, freed or not."""
    try:
        from memray import AllocatorType, FileReader, Tracker
    except ImportError:
        pytest.fail("limit_allocated needs memray; install fwmemtrace[native]", pytrace=False)
    allocated = Allocated()
    with tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "test.bin"
        try:
            tracker = Tracker(capture)
            tracker.__enter__()
        except RuntimeError as error:  # another tool of the process tracks already
            pytest.fail(f"limit_allocated cannot be measured: memray says {str(error)!r}", pytrace=False)
        try:
            yield allocated
        finally:
            tracker.__exit__(None, None, None)
        frees = (AllocatorType.FREE, AllocatorType.MUNMAP, AllocatorType.PYMALLOC_FREE)
        with FileReader(capture) as reader:
            allocated.size = sum(
                record.size for record in reader.get_allocation_records() if record.allocator not in frees
            )
