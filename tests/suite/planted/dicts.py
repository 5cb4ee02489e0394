"""Dicts that requests fill: a cache without a bound, a store that must not forget, and a cache with a bound."""

from fwmemtrace.suite import Component

TEXTS = [f"question {number}" for number in range(60)]
CACHE = {}


def block():
    return bytearray(b"x") * 300_000


def cached(kept, text):
    if text not in kept:
        kept[text] = block()
    return len(kept[text])


def counted(kept, text):
    kept.setdefault(text, block())
    return len(kept)


def bounded(kept, text):
    if len(kept) >= 30:
        del kept[next(iter(kept))]
    return cached(kept, text)


components = [
    Component("module", lambda: CACHE, cached, TEXTS, batch=60),
    Component("store", dict, counted, TEXTS, batch=60),
    Component("bounded", dict, bounded, TEXTS, batch=60),
]
