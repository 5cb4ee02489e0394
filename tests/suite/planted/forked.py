"""Components with many objects that the collector looks at, with none, and with requests that fail in a worker."""

import os

from fwmemtrace.suite import Component

PARENT = os.getpid()


def length(made, item):
    return len(made) + len(item)


def fail_in_worker(made, item):
    if os.getpid() != PARENT:
        raise RuntimeError("not here")


components = [
    Component("objects", lambda: [[number] for number in range(300_000)], length, ["a"], batch=2),
    Component("block", lambda: bytearray(b"x") * 50_000_000, length, ["a"], batch=2),
    Component("fails", dict, fail_in_worker, ["a"], batch=2),
]
