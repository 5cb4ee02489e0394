"""Estimates what several workers like a process would take together, counting shared pages once."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results

_NUMBERS = (2, 4, 8)


def with_workers(composition: results.Composition, workers: int) -> results.Workers:
    """Estimate the memory of N processes with the same contents, as the sum of their PSS.

    Pages of files (libraries, mapped weights) and shared memory are the same pages in all processes. Anonymous memory
    counts for each process. That holds for workers that are started; workers that are forked from a loaded parent
    share it with the parent until one of them writes to it, which Python does by counting references. How much of it
    stays shared has to be measured.

    Args:
        composition: of one worker, as `LedgerFold.compositions` returns it.
        workers: the number of workers, at least 1.

    Raises:
        ValueError: if the number is below 1.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers: there has to be at least 1")
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
    """Return estimates for two, four and eight workers, from the first "end" composition; none without one."""
    end = next((composition for composition in compositions if composition.moment == "end"), None)
    return [] if end is None else [with_workers(end, workers) for workers in _NUMBERS]
