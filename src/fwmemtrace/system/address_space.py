"""The limit of this process's address space, at which allocations fail."""

from __future__ import annotations

from ..foreign_errors import pass_on


def limit() -> int | None:
    """Return RLIMIT_AS in bytes, see getrlimit(2); None for no limit, or where the system has none."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, getrlimit

        bytes_ = getrlimit(RLIMIT_AS)[0]
    except (ImportError, OSError, ValueError) as error:
        pass_on(error)
        return None
    return None if bytes_ == RLIM_INFINITY else bytes_
