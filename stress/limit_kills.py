"""Death at a limit of the address space: the first sentence of the report says what filled the memory, and where."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import textwrap

import fwmemtrace
from fwmemtrace.results.summary import OutOfMemory
from fwmemtrace.trace import Trace
from stress.outcome import Outcome

FULL, SMALL = 50, 3
_ROOM = 150_000_000, 400_000_000  # bytes that are left when the limit is set
_SINCE_LAST_READING_S = 0.1  # at most: what rose meanwhile is not in a trace without an end
# How programs end at a failed allocation: they are killed, as if by the kernel; C++ aborts; the exception ends them.
_ENDS = "os.kill(os.getpid(), 9)", "os.abort()", "raise"
_PROGRAM = """
    import os, resource, sys, time
    import fwmemtrace
    from fwmemtrace import phase

    kept = []

    def fill(size, pause):
        while True:
            kept.append(bytearray(b"x") * size)
            time.sleep(pause)

    fwmemtrace.start("{path}")
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + {room}, used + {room}))
    with phase("serve"), phase("load"):
        try:
            fill({size}, {pause})
        except MemoryError:
            {end}
"""


def run(number: int) -> Outcome:
    """Let that many programs fill their memory, each at a rate of its own."""
    outcome = Outcome(number)
    for attack in range(number):
        path, end = f"limit-{attack}.bin", _ENDS[attack % len(_ENDS)]
        room = random.randint(*_ROOM)
        size = random.choice([500_000, 2_000_000, 5_000_000, 20_000_000])
        pause = random.choice([0.0, 0.001, 0.01])
        text = textwrap.dedent(_PROGRAM).format(path=path, room=room, size=size, pause=pause, end=end)
        with open("program.py", "w") as file:
            file.write(text)
        subprocess.run([sys.executable, "program.py"], env=_environment(), stderr=subprocess.DEVNULL, check=False)
        _check(outcome, path, f"{path}: room {room}, size {size}, pause {pause}, {end}", room)
    return outcome


def _environment() -> dict[str, str]:
    # The arena of another thread takes 64 MiB of the address space or more, of which hardly any is used.
    return {**os.environ, "MALLOC_ARENA_MAX": "1"}


def _check(outcome: Outcome, path: str, what: str, room: int) -> None:
    trace = fwmemtrace.read(path)
    found = expect_cause(outcome, trace, what, "RLIMIT_AS")
    if found is None:
        return
    until_killed = _SINCE_LAST_READING_S * found.bytes_per_second
    outcome.expect(found.peak_bytes + until_killed > 0.8 * room, f"{what}: the peak is {found.peak_bytes}")
    outcome.expect(found.bytes_per_second > 0, f"{what}: the rate is {found.bytes_per_second}")
    text = re.sub(r"\s+", " ", trace.report("text", width=1000))
    sentence = re.search(r"Process \d+ (most likely )?ran out of memory in serve/load: .*?RLIMIT_AS\)\.", text)
    named = sentence is not None and re.search(r"fill \([^ ]*program.py:", sentence[0])
    outcome.expect(bool(named), f"{what}: {text[:300]}")
    os.unlink(path)


def expect_cause(outcome: Outcome, trace: Trace, what: str, limit: str) -> OutOfMemory | None:
    """Expect the trace to name what filled the memory, in which phase, and this limit; return what it says."""
    found = trace.summary().summary.out_of_memory  # type: ignore[union-attr]
    if found is None:
        outcome.expect(False, f"{what}: nothing is said of it")
        return None
    code = found.cause and found.cause.location and found.cause.location.function
    outcome.expect(code == "fill", f"{what}: {code} is said to have filled the memory")
    outcome.expect(found.path == "serve/load", f"{what}: the phase is {found.path}")
    outcome.expect(found.limit == limit, f"{what}: the limit is {found.limit or 'not known'}")
    return found
