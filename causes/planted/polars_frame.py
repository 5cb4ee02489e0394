"""A frame of polars that is kept."""

import time

import polars as pl
from causes.truth import rss, tell


def load() -> pl.DataFrame:
    """Returns the frame."""
    numbers = pl.int_range(0, 4_000_000, eager=True)
    return pl.DataFrame({"id": numbers, "name": numbers.cast(pl.String) + " and a longer name"})  # cause


time.sleep(0.2)
before = rss()
frame = load()
time.sleep(0.5)
tell("a frame", rss() - before)
