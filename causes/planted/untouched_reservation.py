"""No RSS, though a profiler of allocations shows 2 GB: a buffer is reserved and hardly touched."""

import time

import numpy
from causes.truth import mapped_rss, tell


def reserve() -> numpy.ndarray:
    """Returns room for the largest batch."""
    return numpy.empty(2_000_000_000, numpy.uint8)  # cause


batch = reserve()
batch[:1_000_000] = 1
time.sleep(0.5)
size = batch.nbytes - mapped_rss(batch.ctypes.data, batch.nbytes)
tell("memory that was asked for and never touched", size, words=r"reserv|untouched|(never|not) (been )?touched")
