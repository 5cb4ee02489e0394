"""What the sampled heap adds to one call: a malloc with its free, and an object of Python.

Both are measured in one process, with the sampler and without in turns, so that a machine's changes of speed are the
same for both. The loop over malloc is a small library in C, whose slots lead to the sampler like any other's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row, fresh
from fwmemtrace import core

_LOOP = """
#include <stdlib.h>
#include <time.h>
static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e9 + (double)at.tv_nsec;
}
double pairs(long count, size_t size) {
    double began = now();
    for (long at = 0; at < count; at++) {
        void *block = malloc(size);
        __asm__ volatile("" : : "r"(block) : "memory");
        free(block);
    }
    return (now() - began) / (double)count;
}
"""
_MEASURE = """
import collections, ctypes, itertools, json, sys, time
import fwmemtrace
folder = sys.argv[1]
def objects():
    began = time.thread_time_ns()
    collections.deque(map(object.__new__, itertools.repeat(object, 300_000)), 0)
    return (time.thread_time_ns() - began) / 300_000
measures = {"objects": objects}
if sys.argv[2]:
    pairs = ctypes.PyDLL(sys.argv[2]).pairs
    pairs.argtypes, pairs.restype = (ctypes.c_long, ctypes.c_size_t), ctypes.c_double
    measures["pairs"] = lambda: pairs(1_000_000, 64)
found = {name: [[], []] for name in measures}
for turn in range(31):
    for on in (0, 1):
        if on:
            fwmemtrace.start(folder + "/t.bin", probes=["heap"], interval=0, overwrite=True)
        for name, measure in measures.items():
            found[name][on].append(measure())
        if on:
            fwmemtrace.stop()
# The machine's speed changes, and whatever disturbs adds time: the least of each is what the code takes.
print(json.dumps({name: [min(on), min(off)] for name, (off, on) in found.items()}))
"""


def run() -> list[Row]:
    """Measure; without a compiler the calls of malloc are left out."""
    compiled, reason = core.load()
    if compiled is None:
        raise SystemExit(f"the compiled core cannot be used: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "pairs.so"
        compiler = shutil.which("cc")
        if compiler is not None:
            source = library.with_suffix(".c")
            source.write_text(_LOOP)
            command = [compiler, "-O2", "-fno-builtin", "-shared", "-fPIC", str(source), "-o", str(library)]
            subprocess.run(command, check=True)
        else:
            print("malloc and free: left out, since there is no C compiler", file=sys.stderr)
        found = fresh(_MEASURE, folder, str(library) if compiler else "")
    rows = []
    for key, name, target in (("pairs", "malloc and free", 1.5), ("objects", "an object of Python", 4.0)):
        if key in found:
            ours, plain = found[key]
            rows.append(Row(f"{name}, sampled heap / plain", ours, plain, ours / plain, target, "ns each", "added"))
    return rows
