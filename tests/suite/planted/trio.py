"""Five components. Three of them share a table of 80 MB: only if all three drop it, the service falls below 100 MB.

The variant of `index` breaks it when it answers a request. The list `failing` has a component that crashes and one that
hangs besides.
"""

import os
import time

import heavy_table

from fwmemtrace.suite import Component

MB = 1_000_000


def filled(size):
    return bytearray(b"x") * size


def with_table():
    return heavy_table.load()


def without_table():
    return filled(4 * MB)  # by itself it costs memory


def length(made, item):
    return len(item) + bool(len(made))


def crash():
    os._exit(9)


def hang():
    time.sleep(3600)


three = [Component(name, with_table, length, ["a"], {"own": without_table}, batch=2) for name in ("a", "b", "c")]
components = [
    *three,
    Component("index", lambda: filled(40 * MB), length, ["a"], {"none": lambda: None}, batch=2),
    Component("gate", lambda: filled(20 * MB), length, ["a"], {"small": lambda: filled(15 * MB)}, batch=2),
]
failing = [
    *three,
    Component("crashes", crash, length, ["a"], batch=2),
    Component("hangs", hang, length, ["a"], batch=2),
]
