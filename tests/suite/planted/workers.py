"""A component with a worker process that holds most of its memory, and one that leaves a process running."""

import subprocess
import sys

from fwmemtrace.suite import Component

_WORKER = "held = bytearray(b'x') * {size}\nprint(len(held), flush=True)\ninput()"


class Pool:
    """Answers with the size of what its worker holds."""

    def __init__(self, size: int = 60_000_000) -> None:
        command = [sys.executable, "-c", _WORKER.format(size=size)]
        self.worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.worker.stdout is not None
        self.answer = self.worker.stdout.readline()

    def check(self, item: str) -> int:
        return len(item)


def check(pool: Pool, item: str) -> int:
    return pool.check(item)


components = [
    Component("pool", Pool, check, ["a"], batch=5, variants={"small": lambda: Pool(10_000_000)}),
    Component("rows", lambda: bytearray(b"x") * 5_000_000, lambda rows, item: len(item), ["a"], batch=5),
]
