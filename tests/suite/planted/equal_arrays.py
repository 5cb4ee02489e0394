"""Three components that load the same 20 MB: as an array, in an attribute, and as a mapped file."""

from pathlib import Path

from fwmemtrace.suite import Component

FILE = Path("equal_arrays.npy")  # in the current folder, where the test makes it


class Table:
    """Has the numbers in a dict."""

    def __init__(self) -> None:
        self.state = {"numbers": load()}


def load(mode=None):
    import numpy

    return numpy.load(FILE, mmap_mode=mode)


def ask(made, item):
    return float(getattr(made, "state", {"numbers": made})["numbers"].sum()) + len(item)


components = [
    Component("array", load, ask, ["a"], batch=2),
    Component("table", Table, ask, ["a"], batch=2),
    Component("mapped", lambda: load("r"), ask, ["a"], batch=2),
]


def random():
    import numpy

    return numpy.random.default_rng(5).random(2_500_000)


def counted():
    import numpy

    return numpy.arange(2_500_000, dtype="float64")


different = [Component("random", random, ask, ["a"], batch=2), Component("counted", counted, ask, ["a"], batch=2)]
