"""Four components. Only a pair of changes brings the service below 190 MB, and each of the pair looks useless alone.

`search` and `ranking` share a table of 80 MB: whoever comes first loads it, so that dropping it in one of them saves
nothing. The variant of `search` even costs 10 MB. The two decoys save memory, and are never enough.
"""

import heavy_table

from fwmemtrace.suite import Component

MB = 1_000_000


def filled(size):
    return bytearray(b"x") * size


def search():
    return heavy_table.load(), filled(5 * MB)


def search_streaming():
    return filled(15 * MB)


def ranking():
    return heavy_table.load(), filled(5 * MB)


def ranking_by_key():
    return filled(5 * MB)


def length(made, item):
    return len(item)


components = [
    Component("gate", lambda: filled(40 * MB), length, ["a"], variants={"short": lambda: filled(30 * MB)}, batch=2),
    Component("search", search, length, ["a"], variants={"streaming": search_streaming}, batch=2),
    Component("ranking", ranking, length, ["a"], variants={"by key": ranking_by_key}, batch=2),
    Component(
        "cache",
        lambda: filled(60 * MB),
        length,
        ["a"],
        variants={"small": lambda: filled(45 * MB), "broken": lambda: 1 / 0},
        batch=2,
    ),
]
