"""The tracer must not be the leak: what it leaves behind in the traced process, after many phases and big readings."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

MB = 10**6

HEAD = """
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
"""

MANY = """
    def run(count):
        for number in range(count):
            with phase("outer"), phase("inner"):
                pass
            if not number % 50:
                with phase(f"request {number}", number=number):
                    pass

    with fwmemtrace.session(Drop(), probes=sys.argv[2].split(), interval="20ms", detail_share=0.0):
        run(500)
        gc.collect()
        before = rss()
        run(int(sys.argv[1]))
        gc.collect()
        print(json.dumps(rss() - before))
"""

# Each walk over this heap needs megabytes while it lasts. The allocator keeps some for the next walk, so the first few
# count as warm-up: what is kept must not become more. Single readings can be higher: it depends on where it is kept.
BIG = """
    kept = [(str(number + 1000), [number / 7]) for number in range(15_000)]

    def run(count):
        for _ in range(count):
            with phase("again"), phase("inner"):
                pass
        gc.collect()
        return rss()

    with fwmemtrace.session(Drop(), probes=sys.argv[1].split(), interval=0, detail_share=1, holders=0):
        more = [(str(number + 1000), [number / 7]) for number in range(15_000)]
        readings = [run(1) for _ in range(14)]
        print(json.dumps(min(readings[10:]) - min(readings[4:8])))
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads RSS from /proc")]


def growth(code, *arguments):
    program = textwrap.dedent(HEAD) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, timeout=600)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("phases", "probes"), [(20_000, "resident"), (2_000, "python_heap collector"), (500, "objects tensors")]
)
def test_many_phases_leave_nothing_behind(phases, probes):
    assert growth(MANY, str(phases), probes) < 1.5 * MB


@pytest.mark.parametrize("probes", ["python_heap", "objects", "tensors"])
def test_readings_of_a_big_heap_are_given_back(probes):
    assert growth(BIG, probes) < 3 * MB
