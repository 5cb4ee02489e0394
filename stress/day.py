"""A day of a service in production mode: 15 requests a second, all calls counted, in a trace below its limit.

The clock of the recorder that samples is set forward, so that the day takes a minute or two. Phases and records are
real.
"""

from __future__ import annotations

import os
import random
from time import perf_counter_ns

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.records import Note
from fwmemtrace.sinks.trace_file import TraceFileSink
from fwmemtrace.tracing import active
from stress.outcome import Outcome

FULL, SMALL = 5_000_000, 40_000
_LIMIT, _SMALL_LIMIT = 64_000_000, 1_000_000
_PHASES = 4  # of a request
_DAY_NS = 86_400 * 10**9
_GROWTH = 10_000_000
_ROUTES = [f"GET /route-{number}" for number in range(40)]


def run(number: int) -> Outcome:
    """Run that many phases over the time of a day, in several threads' worth of routes."""
    outcome = Outcome(number)
    limit = _LIMIT if number >= FULL else _SMALL_LIMIT
    requests = number // _PHASES
    calls: dict[str, int] = {}
    generator = random.Random(1)
    now = perf_counter_ns()
    largest = 0

    with fwmemtrace.session(
        TraceFileSink("day.bin", max_size=limit), mode="production", interval="16s", triggers=["100%"]
    ) as session:
        active.installed()._clock = lambda: now  # type: ignore[union-attr]
        before = 0
        for request in range(requests):
            now += _DAY_NS // requests
            route = generator.choice(_ROUTES)
            calls[route] = calls.get(route, 0) + 1
            with phase(route), phase("handle"):
                with phase("query"):
                    now += 1_000_000
                with phase("render"):
                    now += 1_000_000
            if request % 1_000 == 0:
                session.record(Note(now, "day", f"request {request}"))
            if request == requests // 10:
                before = _rss()
            if request % 10_000 == 0:
                largest = max(largest, _size())
        growth = _rss() - before
    largest = max(largest, _size())
    trace = fwmemtrace.read("day.bin")
    summary = trace.summary()
    found = {row.path: row.calls for row in summary.phases}
    for route, count in calls.items():
        name = route.replace("/", "\\/")
        for path in (name, f"{name}/handle", f"{name}/handle/query", f"{name}/handle/render"):
            outcome.expect(found.get(path) == count, f"{path}: {count} calls, {found.get(path)} in the report")
    outcome.expect(largest <= limit, f"the trace had {largest:,} bytes")
    outcome.expect(not summary.trace.damaged_bytes, f"{summary.trace.damaged_bytes} bytes are damaged")
    outcome.expect(number < FULL or growth < _GROWTH, f"the process grew by {growth:,} bytes")
    outcome.figures = {
        "bytes of trace": largest,
        "bytes of growth": growth,
        "records dropped": summary.trace.dropped_records,
        "records left": len(trace),
    }
    return outcome


def _size() -> int:
    return sum(os.path.getsize(name) for name in os.listdir(".") if name.startswith("day.bin"))


def _rss() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
