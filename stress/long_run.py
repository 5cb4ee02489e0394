"""Many phases in threads and tasks: the process does not grow, and no phase is recorded inside a foreign one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.records import PhaseBegin, Record
from stress.outcome import Outcome

FULL, SMALL = 10_000_000, 20_000
_THREADS, _TASKS = 64, 1_000
_GROWTH = 5_000_000


def run(number: int) -> Outcome:
    """Run that many phases, a third of them in each of threads, tasks and the main thread."""
    outcome = Outcome(number)
    parents: dict[int, str] = {0: ""}
    latest = 0

    def check(record: Record) -> None:
        nonlocal latest
        if isinstance(record, PhaseBegin):
            inside = parents.get(record.parent % 4_000_000, "")
            if record.name.startswith("inner"):
                outcome.expect(inside == "outer" + record.name[5:], f"{record.name} is inside {inside!r}")
            parents[record.span % 4_000_000] = record.name
            latest = max(latest, record.span)

    if number > 1_000_000:  # a table of names is too big then: threads and tasks check in the small form
        check = _ignore
    with fwmemtrace.session(sink=_Calls(check), interval="50ms"):
        _all_ways(max(2, number // 100))  # whatever a first run allocates
        before = _rss()
        _all_ways(number)
        growth = _rss() - before
    if number > 1_000_000:
        outcome.expect(growth < _GROWTH, f"the process grew by {growth:,} bytes")
        outcome.figures["bytes of growth"] = growth
    return outcome


def _all_ways(number: int) -> None:
    share = number // 6  # of pairs, in each of the three
    _pairs("main", share)
    threads = [
        threading.Thread(target=_pairs, args=(f"thread {index}", share // _THREADS + 1)) for index in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(_in_tasks(share // _TASKS + 1))


def _pairs(name: str, number: int) -> None:
    for _ in range(number):
        with phase(f"outer {name}"), phase(f"inner {name}"):
            pass


async def _in_tasks(number: int) -> None:
    async def work(name: str) -> None:
        for _ in range(number):
            with phase(f"outer {name}"):
                await asyncio.sleep(0)
                with phase(f"inner {name}"):
                    await asyncio.sleep(0)

    await asyncio.gather(*(work(f"task {index}") for index in range(_TASKS)))


class _Calls:
    def __init__(self, check: Callable[[Record], None]) -> None:
        self.write = check


def _ignore(record: Record) -> None:
    pass


def _rss() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096
