"""A database in memory whose old events are deleted."""

import sqlite3
import time

db = sqlite3.connect(":memory:")
db.execute("create table events (at integer, body text)")


def store(event: int) -> None:
    """Store an event and delete the one before."""
    db.execute("delete from events where at < ?", [event])
    db.executemany("insert into events values (?, ?)", [(event, f"{event} {n} " * 50) for n in range(1000)])


for event in range(80):
    store(event)
    time.sleep(0.01)
