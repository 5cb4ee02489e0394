"""A mapping of 3 GB of which little is touched."""

import mmap
import time

from causes.truth import tell


def reserve() -> mmap.mmap:
    """Returns room for a ring buffer."""
    return mmap.mmap(-1, 3_000_000_000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # cause


ring = reserve()
ring[0] = 1
time.sleep(0.5)
tell("a mapping that was not touched", 3_000_000_000, words=r"reserv|untouched|(never|not) (been )?touched")
