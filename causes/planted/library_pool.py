"""Arrow's own pool keeps pages that the program has freed."""

import time

import pyarrow
from causes.truth import rss, tell


def read() -> int:
    """Compute on a large array and drop it."""
    values = pyarrow.array(range(1_000_000))
    for _ in range(8):
        values = pyarrow.concat_arrays([values, values.slice(0, 1_000_000)])  # cause
    return len(values)


pyarrow.array(range(10))  # imports pandas, if that is installed
before = rss()
read()
time.sleep(1)
tell("a library's own pool", rss() - before, names=("pyarrow", "Arrow"), words="freed|free memory|not returned|pool")
