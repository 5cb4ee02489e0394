"""Workers copy the pages that they share with their parent, by counting references as they read."""

import multiprocessing
import time

from causes.truth import rollup, tell

context = multiprocessing.get_context("fork")


def work(rows: list[str], sizes: "multiprocessing.Queue[int]") -> None:
    """Read every row, and put what became private."""
    before = rollup("Private_Dirty")
    total = 0
    for row in rows:
        total += len(row)  # cause
    time.sleep(0.5)
    sizes.put(rollup("Private_Dirty") - before)


if __name__ == "__main__":
    rows = [str(number).zfill(200) for number in range(400_000)]
    sizes = context.Queue()
    workers = [context.Process(target=work, args=(rows, sizes)) for _ in range(2)]
    for worker in workers:
        worker.start()
    size = sum(sizes.get() for _ in workers)
    for worker in workers:
        worker.join()
    tell("pages that workers copied", size, words="private|copied|copy-on-write")
