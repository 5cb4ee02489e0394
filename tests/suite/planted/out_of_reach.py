"""Three components and a budget of 100 MB: `model` takes more than that, whatever is changed.

The two variants of `model` save the same memory. The first variant of `index` breaks the component when it answers a
request. Without `model` the others keep to the budget, if `index` is small.
"""

from fwmemtrace.suite import Component

MB = 1_000_000


def filled(size):
    return bytearray(b"x") * size


def length(made, item):
    return len(item) + len(made)


components = [
    Component(
        "model",
        lambda: filled(200 * MB),
        length,
        ["a"],
        variants={"half": lambda: filled(130 * MB), "mapped": lambda: filled(131 * MB)},
        batch=2,
    ),
    Component(
        "index",
        lambda: filled(70 * MB),
        length,
        ["a"],
        variants={"none": lambda: None, "small": lambda: filled(30 * MB)},
        batch=2,
    ),
    Component("gate", lambda: filled(30 * MB), length, ["a"], variants={"larger": lambda: filled(45 * MB)}, batch=2),
]
