"""Gives back what the allocator holds free."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def find_trim() -> Callable[[], Any] | None:
    """The call that gives free memory back to the operating system: psutil's `heap_trim` or glibc's `malloc_trim`."""
    try:
        import psutil

        trim: Callable[[], Any] = psutil.heap_trim  # 7.2 and newer
        return trim
    except (ImportError, AttributeError):
        pass
    try:
        import ctypes

        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return None
    return lambda: malloc_trim(0)
