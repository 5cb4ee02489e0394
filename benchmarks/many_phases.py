"""The tracer must not be the leak: what ten million phases in one session add to the traced process.

`python -m benchmarks many_phases` takes some minutes. BENCH_PHASES sets another number of phases.
"""

from __future__ import annotations

import os

from benchmarks.harness import Row, fresh

_PHASES = int(os.environ.get("BENCH_PHASES", "10_000_000"))
_LIMIT = 5e6
_WARM_UP = 20_000
# Records go to a sink that drops them: a file of ten million phases takes a gigabyte of disk and says no more.
_CODE = """
import gc, json, os, sys
import fwmemtrace
from fwmemtrace import phase

def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Drop:
    def write(self, record): pass
    def flush(self): pass
    def close(self): pass

phases, warm_up, probes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split()

@phase("request")
def request():
    pass

def run(count):
    # Nested phases, and now and then a name of its own, as of a program that puts an id into it.
    for number in range(count // 2):
        with phase("outer"):
            request()
    for number in range(count // 1000):
        with phase(f"request {number}"):
            pass

with fwmemtrace.session(Drop(), probes=probes, interval="50ms", detail_share=0.0):
    run(warm_up)
    gc.collect()
    before = rss()
    run(phases)
    gc.collect()
    after = rss()
print(json.dumps(after - before))
"""


def run() -> list[Row]:
    """Count RSS before and after, in a process of its own for each set of probes."""
    rows = []
    for probes, phases in (("resident", _PHASES), ("resident python_heap objects tensors collector", _PHASES // 20)):
        grown = fresh(_CODE, str(phases), str(_WARM_UP), probes)
        rows.append(Row(f"growth by {phases:,} phases, {probes}", grown, 0, 0, _LIMIT, "B", kind="at most"))
    return rows
