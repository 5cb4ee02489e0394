"""Twenty components that do nothing wrong: each holds what it needs, and no more."""

import array
import collections
import csv
import decimal
import hashlib
import io
import json
import queue
import re
import sqlite3
import threading
import zlib
from functools import lru_cache

from fwmemtrace.suite import Component

MB = 1_000_000
TEXTS = ["a question", "another one"]


def filled(size):
    return bytearray(b"x") * size


def length(made, item):
    return len(item)


class BoundedCache:
    def __init__(self):
        self.kept = collections.OrderedDict((number, filled(10_000)) for number in range(300))

    def ask(self, item):
        self.kept.popitem(last=False)
        self.kept[object()] = filled(10_000)
        return len(self.kept)


class Worker:
    def __init__(self):
        self.asked, self.answered = queue.Queue(), queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            self.answered.put(len(self.asked.get()))

    def ask(self, item):
        self.asked.put(item)
        return self.answered.get()


def database():
    made = sqlite3.connect(":memory:")
    made.execute("create table words (word text)")
    made.executemany("insert into words values (?)", ((f"word {number}",) for number in range(20_000)))
    return made


def count_words(made, item):
    return made.execute("select count(*) from words where word > ?", (item,)).fetchone()[0]


def cached():
    return lru_cache(maxsize=64)(lambda item: item.upper())


def with_array():
    return array.array("d", range(1_000_000))


def with_numpy():
    import numpy

    return numpy.arange(500_000, dtype="float64")


def read_rows(made, item):
    return sum(1 for _ in csv.reader(io.StringIO(made)))


components = [
    Component("dict", dict, length, TEXTS),
    Component("block", lambda: filled(30 * MB), length, TEXTS),
    Component("bounded cache", BoundedCache, BoundedCache.ask, TEXTS),
    Component("worker", Worker, Worker.ask, TEXTS),
    Component("database", database, count_words, TEXTS),
    Component("lru cache", cached, lambda made, item: made(item), TEXTS),
    Component("array", with_array, lambda made, item: made[len(item)], TEXTS),
    Component("numpy", with_numpy, lambda made, item: float(made[len(item)].sum()), TEXTS),
    Component("patterns", lambda: re.compile(r"\b(a|b)\w+"), lambda made, item: bool(made.search(item)), TEXTS),
    Component("rows", lambda: "a,b,c\n" * 20_000, read_rows, TEXTS, batch=20),
    Component(
        "json", lambda: json.dumps(list(range(50_000))), lambda made, item: len(json.loads(made)), TEXTS, batch=20
    ),
    Component("decimal", lambda: decimal.Decimal("1.1"), lambda made, item: str(made * len(item)), TEXTS),
    Component("hash", lambda: b"x" * MB, lambda made, item: hashlib.sha256(made).hexdigest(), TEXTS, batch=20),
    Component("zlib", lambda: zlib.compress(b"x" * MB), lambda made, item: len(zlib.decompress(made)), TEXTS, batch=20),
    Component("strings", lambda: [f"text {number}" for number in range(50_000)], length, TEXTS),
    Component("nested", lambda: {str(n): {"at": n, "of": [n]} for n in range(20_000)}, length, TEXTS),
    Component("set", lambda: set(range(100_000)), lambda made, item: len(item) in made, TEXTS),
    Component("temporary", dict, lambda made, item: len(filled(2 * MB)), TEXTS),
    Component("deque", lambda: collections.deque(maxlen=1000), lambda made, item: made.append(item), TEXTS),
    Component("generator", lambda: iter(range(10**9)), lambda made, item: next(made), TEXTS),
]
