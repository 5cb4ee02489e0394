"""What memray, fwmemtrace and the kernel say about loading a model; memray and fwmemtrace read the same capture."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import memray

import fwmemtrace
from fwmemtrace.units import format_bytes

PROGRAM = Path(__file__).with_name("load_model.py")


def traced(folder: str, probe: str) -> fwmemtrace.Trace:
    """Runs the program with one probe and returns its trace."""
    trace = Path(folder, f"{probe}.bin")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FWMEMTRACE")}
    environ |= {"FWMEMTRACE": str(trace), "FWMEMTRACE_PROBES": probe}
    subprocess.run([sys.executable, str(PROGRAM)], env=environ, check=True, stdout=subprocess.DEVNULL)
    return fwmemtrace.read(trace)


def by_line(records: Iterable[memray.AllocationRecord]) -> Counter[str]:
    """Sums allocations by the line that made them."""
    sizes: Counter[str] = Counter()
    for record in records:
        stack = record.stack_trace(1)
        sizes[f"{Path(stack[0][1]).name}:{stack[0][2]}" if stack else "no Python"] += record.size
    return sizes


def main() -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory() as folder:
        native, resident = traced(folder, "native"), traced(folder, "resident")
        with native.capture() as capture, memray.FileReader(capture) as reader:
            at_peak = by_line(reader.get_high_watermark_allocation_records())
            at_end = by_line(reader.get_leaked_allocation_records())
        line = at_peak.most_common(1)[0][0]
        for when, sizes in (("at its peak", at_peak), ("at the end", at_end)):
            say(f"memray, {when}", f"{format_bytes(sizes[line])} at {line}, of {format_bytes(sizes.total())}")
        load = native["load"].native
        assert load is not None
        say("fwmemtrace, load", f"{format_bytes(load.live_bytes)} live, peak {format_bytes(load.peak_bytes)}")
        say("", f"{format_bytes(load.file_backed_bytes)} file-backed, {format_bytes(load.allocated_bytes)} allocated")
        for name in ("load", "first request"):
            change = resident[name].resident
            assert change is not None
            say(f"the kernel, {name}", f"RSS {format_bytes(change.delta_bytes, signed=True)}")


def say(who: str, figures: str) -> None:
    """Prints one line of the table."""
    print(f"{who:26}{figures}")


if __name__ == "__main__":
    main()
