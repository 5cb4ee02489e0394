"""As `kills`, with memray at work: its capture is read as far as it goes."""

from __future__ import annotations

from stress import kills
from stress.outcome import Outcome, lack_of, not_run

FULL, SMALL = 100, 2


def run(number: int) -> Outcome:
    """Kill that many forked children."""
    if lack := lack_of(["memray"]):
        return not_run(lack)
    kills.PROBES = ["resident", "native"]
    return kills.run(number)
