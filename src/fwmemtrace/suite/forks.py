"""Measures what a forked worker of a component copies of its parent's memory, with `gc.freeze()` before and without.

A garbage collection writes to the header of every object that it looks at, and so copies the page of it. Objects that
were frozen before the fork are never looked at.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from .asking import awaited, batch_of
from .component import load_entries, resolve
from .private_memory import private_memory
from .protocol import ChildTask

RESULT = "forks.json"


class ForkResult(msgspec.Struct, kw_only=True):
    """Private bytes of a worker after its requests and a garbage collection.

    Attributes:
        copied_bytes: of a worker that was forked as it is.
        frozen_bytes: of one whose parent called `gc.freeze()` before.
    """

    copied_bytes: int
    frozen_bytes: int


def measure_forks(task: ChildTask) -> None:
    """Make a component, fork two workers that answer its requests, and write a `ForkResult`."""
    component = resolve(load_entries(task.spec)[task.positions[0]])
    for name in getattr(component, "imports", ()):
        __import__(name)
    instance, inputs = awaited(component.init()), list(component.inputs)

    def serve() -> None:
        for number in range(task.batches.get(task.positions[0]) or batch_of(component)):
            awaited(component.request(instance, inputs[number % len(inputs)]))

    gc.collect()
    copied = _private_bytes_of_worker(serve)
    gc.freeze()
    frozen = _private_bytes_of_worker(serve)
    result = ForkResult(copied_bytes=copied, frozen_bytes=frozen)
    Path(task.folder, RESULT).write_bytes(msgspec.json.encode(result))


def _private_bytes_of_worker(serve: Callable[[], None]) -> int:
    """Forks a worker and returns what it has private in the end.

    Raises:
        RuntimeError: if the worker failed.
    """
    told, tells = os.pipe()
    worker = os.fork()
    if not worker:
        try:
            serve()
            gc.collect()
            os.write(tells, str(private_memory(os.getpid())[0]).encode())
        finally:
            os._exit(0)
    os.close(tells)
    with os.fdopen(told, "rb") as answer:
        text = answer.read()
    os.waitpid(worker, 0)
    if not text:
        raise RuntimeError("a forked worker failed")
    return int(text)
