"""The disk is full, and has room again: what is lost is counted, and recording goes on.

A limit of the file's size stands for the disk: writes fail or are cut off in the same way.
"""

from __future__ import annotations

import os
import random
import resource

import fwmemtrace
from fwmemtrace import phase
from stress.outcome import Outcome

FULL, SMALL = 500, 20


def run(number: int) -> Outcome:
    """Take the room away that many times."""
    outcome = Outcome(number)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with fwmemtrace.session("full.bin", interval=0) as session:
        for _ in range(number):
            room = os.path.getsize("full.bin") + random.randrange(300)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
            lost = session.lost_records
            while session.lost_records == lost:  # what is reserved already is filled first
                with phase("full"):
                    pass
            for _ in range(random.randrange(20)):
                with phase("full"):
                    pass
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            with phase("room"):
                pass
        lost = session.lost_records
    summary = fwmemtrace.read("full.bin").summary()
    calls = {row.path: row.calls for row in summary.phases}
    outcome.expect(calls["room"] == number, f"{calls['room']} phases were recorded while there was room")
    outcome.expect(not summary.trace.damaged_bytes, f"{summary.trace.damaged_bytes} bytes are damaged")
    outcome.expect(
        summary.trace.lost_records == lost > 0, f"{lost} were lost, the trace says {summary.trace.lost_records}"
    )
    outcome.figures["lost records"] = lost
    return outcome
