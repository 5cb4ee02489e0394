"""A database in memory grows with every event."""

import sqlite3
import time

from causes.truth import rss, tell

db = sqlite3.connect(":memory:")
db.execute("create table events (at real, body text)")


def store(event: int) -> None:
    """Store an event."""
    db.executemany("insert into events values (?, ?)", [(event, f"{event} {n} " * 50) for n in range(1000)])  # cause


store(0)
before = rss()
for event in range(100):
    store(event)
    time.sleep(0.01)
tell("a database in memory", rss() - before)
