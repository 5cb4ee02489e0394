"""SIGKILL at a random moment: every record that was made is in the trace, and the report names the phase."""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import time

import fwmemtrace
from fwmemtrace import phase
from stress.outcome import Outcome

FULL, SMALL = 500, 10
PROBES = ["resident"]
_COUNT = struct.Struct("<Q")


def run(number: int) -> Outcome:
    """Kill that many forked children, each in a session of its own."""
    outcome = Outcome(number)
    done = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the children
    records = 0
    for attack in range(number):
        path = f"killed-{attack}.bin"
        _COUNT.pack_into(done, 0, 0)
        pid = os.fork()
        if pid == 0:
            _work(path, done)
        deadline = time.monotonic() + 10
        while not _COUNT.unpack_from(done)[0] and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ended: int = _COUNT.unpack_from(done)[0]
        records += _check(outcome, path, ended)
    outcome.expect(records > 0, "no child recorded anything")
    outcome.figures["records"] = records
    return outcome


def _work(path: str, done: mmap.mmap) -> None:
    fwmemtrace.start(path, probes=PROBES, interval="5ms")
    ended = 0
    with phase("serve"):
        while True:
            with phase("request"):
                pass
            ended += 1
            _COUNT.pack_into(done, 0, ended)


def _check(outcome: Outcome, path: str, ended: int) -> int:
    if not os.path.exists(path):
        outcome.expect(ended == 0, f"{path}: {ended} phases and no trace")
        return 0
    if os.path.getsize(path) == 0 or (ended == 0 and os.path.getsize(path) < 100):
        return 0
    trace = fwmemtrace.read(path)
    summary = trace.summary()
    calls = sum(row.calls for row in summary.phases if row.path == "serve/request")
    outcome.expect(ended <= calls <= ended + 2, f"{path}: {ended} phases ended, {calls} are in the trace")
    outcome.expect(not summary.trace.damaged_bytes, f"{path}: {summary.trace.damaged_bytes} bytes are damaged")
    last = summary.trace.processes[0].last_phase
    outcome.expect(not ended or last in ("serve", "serve/request"), f"{path}: the last phase is {last}")
    os.unlink(path)
    return len(trace) if os.path.exists(path) else 2 * calls
