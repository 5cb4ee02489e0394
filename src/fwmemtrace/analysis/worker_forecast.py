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
    stays shared has to be measured: see `like_forked`.

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


def like_forked(
    processes: Sequence[results.Process], compositions: Sequence[results.Composition]
) -> list[results.Workers]:
    """Return estimates for two, four and eight forked workers with their parent; none if the trace has no such workers.

    Each worker takes the private memory that those in the trace had, at the most of their readings. All that they share
    is in the RSS of the parent, at its largest reading.

    Args:
        processes: of the trace, the session's first one first.
        compositions: of all of them.
    """
    if not processes:
        return []
    parent = processes[0]
    # A forked worker has the command line of its parent; one that was started has its own.
    pids = {one.pid for one in processes[1:] if one.parent_pid == parent.pid and one.command == parent.command}
    private: dict[int, int] = {}
    rss: dict[int, int] = {}
    for one in compositions:
        private[one.pid] = max(private.get(one.pid, 0), one.private_bytes)
        rss[one.pid] = max(rss.get(one.pid, 0), one.rss_bytes)
    measured = [pid for pid in pids if pid in rss]
    if not measured or parent.pid not in rss:
        return []
    once = rss[parent.pid]
    each = sum(private[pid] for pid in measured) // len(measured)
    worker_rss = sum(rss[pid] for pid in measured) // len(measured)
    return [
        results.Workers(
            workers=workers,
            once_bytes=once,
            each_bytes=each,
            total_bytes=once + workers * each,
            sum_of_rss_bytes=once + workers * worker_rss,
            pid=parent.pid,
            measured_workers=len(measured),
        )
        for workers in _NUMBERS
    ]
