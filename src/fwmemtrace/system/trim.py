"""Finds the call that makes malloc return its free memory to the operating system."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def find_trim() -> Callable[[], Any] | None:
    """Return psutil's `heap_trim`, or else glibc's `malloc_trim`; None if there is neither."""
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
