"""A component with a worker process that holds most of its memory, and one that leaves a process running."""

import subprocess
import sys
from typing import Any

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


def check(pool: Any, item: str) -> int:
    return pool.check(item)


components = [
    Component("pool", Pool, check, ["a"], batch=5, variants={"small": lambda: Pool(10_000_000)}),
    Component("rows", lambda: bytearray(b"x") * 5_000_000, lambda rows, item: len(item), ["a"], batch=5),
]


class Forked:
    """Answers with what a forked worker answers."""

    def __init__(self) -> None:
        import multiprocessing

        self.pipe, end = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.worker = context.Process(target=_answer, args=(end, bytearray(b"x") * 1_000), daemon=True)
        self.worker.start()

    def check(self, item: str) -> int:
        self.pipe.send(item)
        answer: int = self.pipe.recv()
        return answer


def _answer(end: Any, held: bytearray) -> None:
    own = held * 30_000
    while True:
        end.send(len(own) + len(end.recv()))


forking = [Component("forked", Forked, check, ["a"], batch=5)]
