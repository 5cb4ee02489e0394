"""What several workers like this process would take together: pages that they share count once."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results

_NUMBERS = (2, 4, 8)


def with_workers(composition: results.Composition, workers: int) -> results.Workers:
    """Reckon what so many processes with the same contents take, as their PSS would add up to.

    Pages of files (libraries, mapped weights) and shared memory are the same pages in all of them. Anonymous memory is
    each one's own: so it is for workers that were started anew. Workers forked from a loaded parent share it too, until
    somebody writes to it, which Python does by counting references; how much of it stays shared only a measurement of
    such workers can tell.

    Args:
        composition: of one worker, as `LedgerFold.compositions` gives it.
        workers: how many, at least 1.

    Raises:
        ValueError: if there are none.
    """
    if workers < 1:
        raise ValueError(f"found {workers} workers, expected at least 1")
    each = sum(item.anonymous_bytes for item in composition.items) + composition.unexplained_bytes
    once = composition.rss_bytes - each
    return results.Workers(
        workers=workers,
        once_bytes=once,
        each_bytes=each,
        total_bytes=once + workers * each,
        sum_of_rss_bytes=workers * composition.rss_bytes,
        pid=composition.pid,
    )


def several(compositions: Sequence[results.Composition]) -> list[results.Workers]:
    """A row each for two, four and eight workers like the first process was in the end; none if it was not read."""
    end = next((made for made in compositions if made.moment == "end"), None)
    return [] if end is None else [with_workers(end, workers) for workers in _NUMBERS]
