"""Forked workers that only read what their parent has loaded, and copy its pages by counting references."""

from __future__ import annotations

import multiprocessing

from fwmemtrace import phase


def work(rows: list[str], lengths: multiprocessing.Queue[int]) -> None:
    """Put the length of all rows."""
    with phase("work"):
        total = sum(len(row) for row in rows)
    lengths.put(total)


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with phase("load"):
        rows = [str(number).zfill(200) for number in range(500_000)]
    lengths = context.Queue()
    workers = [context.Process(target=work, args=(rows, lengths)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        lengths.get()
        worker.join()
