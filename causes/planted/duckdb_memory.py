"""A database of duckdb in memory."""

import time

import duckdb
from causes.truth import rss, tell

db = duckdb.connect()


def load() -> None:
    """Make a table."""
    db.execute("create table t as select range as id, md5(range::varchar) as name from range(3_000_000)")  # cause


db.execute("select 1")
time.sleep(0.2)
before = rss()
load()
time.sleep(0.5)
tell("a database in memory", rss() - before)
