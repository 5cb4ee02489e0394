"""What all tests share."""

from __future__ import annotations

import mmap
from collections.abc import Callable

import pytest


@pytest.fixture
def new_memory() -> Callable[[int], mmap.mmap]:
    """Makes memory that is resident from now until it is closed.

    A bytearray would do in a fresh process. In one that has run other tests, malloc may serve it from memory that it
    kept, and RSS stays where it is.
    """

    def make(size: int) -> mmap.mmap:
        block = mmap.mmap(-1, size)
        for start in range(0, size, mmap.PAGESIZE):
            block[start] = 1
        return block

    return make
