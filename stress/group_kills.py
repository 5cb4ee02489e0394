"""The kernel kills at the limit of a real control group: the first sentence of the report says what filled the memory.

Nothing is tried where no group can be made below this process's own, or where the kernel does not enforce its limit.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import fwmemtrace
from fwmemtrace.system.cgroup import memory_groups
from stress.limit_kills import expect_cause
from stress.outcome import Outcome, not_run

FULL, SMALL = 50, 2
_ROOM = 100_000_000, 300_000_000
_LIMITS = "memory.max", "memory.limit_in_bytes"  # version 2, version 1
_PROGRAM = """
    import os, time
    import fwmemtrace
    from fwmemtrace import phase

    kept = []

    def fill(size, pause):
        while len(kept) * size < {most}:
            kept.append(bytearray(b"x") * size)
            time.sleep(pause)

    with open("{group}/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))
    fwmemtrace.start("{path}")
    with phase("serve"), phase("load"):
        fill({size}, {pause})
"""


def run(number: int) -> Outcome:
    """Let that many programs fill a group of their own, each at a rate of its own."""
    outcome = Outcome(number)
    for attack in range(number):
        room = random.randint(*_ROOM)
        group = _make_group(room)
        if group is None:
            return not_run("no control group can be made")
        try:
            _try(outcome, f"group-{attack}.bin", group, room)
        finally:
            group.rmdir()
    if not outcome.faults and not outcome.figures.get("killed"):
        return not_run("the kernel does not enforce the limit of a control group")
    return outcome


def _make_group(limit: int) -> Path | None:
    for around in memory_groups():
        group = Path(around.folder) / f"fwmemtrace-stress-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        for name in _LIMITS:
            if (group / name).exists():
                (group / name).write_text(str(limit))
                return group
        group.rmdir()
    return None


def _try(outcome: Outcome, path: str, group: Path, room: int) -> None:
    size = random.choice([500_000, 2_000_000, 5_000_000])
    pause = random.choice([0.0, 0.001, 0.01])
    text = textwrap.dedent(_PROGRAM).format(path=path, group=group, most=2 * room, size=size, pause=pause)
    Path("program.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "program.py"], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != -signal.SIGKILL:
        outcome.expect(done.returncode == 0, f"{path}: exit status {done.returncode}: {done.stderr[-300:]}")
        outcome.figures["not killed"] = outcome.figures.get("not killed", 0) + 1
        return
    what = f"{path}: room {room}, size {size}, pause {pause}"
    found = expect_cause(outcome, fwmemtrace.read(path), what, "control group")
    if found is None:
        return
    outcome.expect(abs((found.limit_bytes or 0) - room) <= 4096, f"{what}: the limit is {found.limit_bytes}")
    outcome.figures["killed"] = outcome.figures.get("killed", 0) + 1
