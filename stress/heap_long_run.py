"""Billions of mallocs under the sampled heap: totals stay exact, and live bytes those of the blocks that are kept."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import fwmemtrace
from stress.outcome import Outcome, not_run

FULL, SMALL = 10_000, 20  # millions of mallocs; as many as a busy service makes in a day
_PARTS = 4
_KEPT = 4096
_LOOP = """
#include <stdint.h>
#include <stdlib.h>
static void *kept[KEPT];
static uint64_t sizes[KEPT], state = 1;
uint64_t allocate(uint64_t count) {
    uint64_t bytes = 0;
    for (uint64_t at = 0; at < count; at++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        uint64_t place = state >> 52, size = 16 + (state >> 33 & 255);
        if (place % 64 == 0) size *= 256;
        free(kept[place]);
        kept[place] = malloc(size);
        sizes[place] = size;
        bytes += size;
    }
    return bytes;
}
uint64_t live(void) {
    uint64_t bytes = 0;
    for (int at = 0; at < KEPT; at++) bytes += sizes[at];
    return bytes;
}
"""


def run(number: int) -> Outcome:
    """Make that many millions of mallocs in a few equal phases."""
    compiler = shutil.which("cc")
    if compiler is None:
        return not_run("needs a C compiler")
    outcome = Outcome(number * 1_000_000)
    Path("loop.c").write_text(_LOOP.replace("KEPT", str(_KEPT)))
    subprocess.run([compiler, "-O2", "-fno-builtin", "-shared", "-fPIC", "loop.c", "-o", "loop.so"], check=True)
    library = ctypes.CDLL(str(Path("loop.so").absolute()))
    library.allocate.argtypes, library.allocate.restype = (ctypes.c_uint64,), ctypes.c_uint64
    library.live.restype = ctypes.c_uint64
    truth = {}
    with fwmemtrace.session("long.bin", probes=["heap"], sample_bytes="64KiB", interval=0):
        for part in range(_PARTS):
            with fwmemtrace.phase(f"part {part}"):
                truth[f"part {part}"] = library.allocate(number * 1_000_000 // _PARTS)
    trace = fwmemtrace.read("long.bin")
    live = low = high = 0
    for phase, exact in truth.items():
        heap = trace[phase].heap
        assert heap is not None
        drift = heap.allocated_bytes / exact - 1
        outcome.expect(abs(drift) < 1e-3, f"{phase}: {heap.allocated_bytes} bytes allocated, and not {exact}")
        outcome.figures["largest drift of a total"] = max(
            outcome.figures.get("largest drift of a total", 0), abs(drift)
        )
        live, low, high = live + heap.live_bytes, low + heap.live_low_bytes, high + heap.live_high_bytes
    kept = library.live()
    outcome.figures["live bytes / truth"] = live / kept
    # Twice the interval: about four standard deviations.
    outcome.expect(
        2 * low - live <= kept <= 2 * high - live, f"{live} bytes are live ({low} to {high}), and not {kept}"
    )
    return outcome
