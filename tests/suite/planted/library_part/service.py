"""A library imports a part of itself, with a table of 80 MB, that no request uses.

Moving the program's own import of the library saves nothing: each request uses the rest of it.
"""

import sys
from pathlib import Path

from fwmemtrace.suite import Component

sys.path.insert(0, str(Path(__file__).with_name("site-packages")))


def guard():
    import cleaner

    return cleaner.Cleaner()


components = [
    Component("guard", guard, lambda made, item: made.check(item), ["a"], batch=2),
    Component("cache", lambda: bytearray(b"x") * 10_000_000, lambda made, item: len(made), ["a"], batch=2),
]
