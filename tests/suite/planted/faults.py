"""Components with one fault of known size each, and one without."""

from fwmemtrace.suite import Component

TENSOR_BYTES = 40_000_000
RETAINED_BYTES = 150_000_000
CACHED_BYTES = 50_000


def init_unused():
    import unused_table  # noqa: F401

    return {}


def init_twice():
    import numpy

    def load():
        return numpy.arange(TENSOR_BYTES // 8, dtype="float64")

    return {"first": load(), "second": load()}


def request_twice(made, item):
    return float(made["first"][len(item)] + made["second"][len(item)])


def init_retaining():
    blocks = [bytearray(b"x") * 100_000 for _ in range(RETAINED_BYTES // 100_000)]
    pin = bytearray(b"x") * 100_000  # above them in the heap, so that it cannot shrink
    del blocks
    return pin


class Cache:
    name = "cache"
    inputs = ["question"]
    batch = 300

    def init(self):
        return []

    def request(self, component, item):
        component.append(bytearray(b"x") * CACHED_BYTES)


def length(made, item):
    return len(item)


components = [
    Component("control", dict, length, ["a", "bb"]),
    Component("has a variant", lambda: bytearray(30_000_000), length, ["a"], variants={"less": lambda: bytearray(10)}),
    Component("unused import", init_unused, length, ["a"]),
    Component("loaded twice", init_twice, request_twice, ["a"]),
    Component("retains", init_retaining, length, ["a"]),
    Cache,
]
