"""CPython's own tests with a sample every 4 KiB: whatever they do to memory and processes, they pass as before."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import fwmemtrace
from stress.outcome import Outcome, lack_of, not_run

# The quickest first; `--number` says how many.
_TESTS = (
    "test_generators",
    "test_weakref",
    "test_gc",
    "test_mmap",
    "test_thread",
    "test_fork1",
    "test_ctypes",
    "test_asyncio",
    "test_threading",
    "test_subprocess",
)
FULL, SMALL = len(_TESTS), 1
_TRACED = {"FWMEMTRACE_PROBES": "heap", "FWMEMTRACE_SAMPLE_BYTES": "4KiB"}
_START = (
    "import fwmemtrace, runpy, sys; sys.argv[0] = 'test'; runpy.run_module('test', run_name='__main__', alter_sys=True)"
)


def run(number: int) -> Outcome:
    """Run that many test files under the sampler. One that fails is run without it, too."""
    if lack := lack_of(["test"]) or lack_of(["test.libregrtest"]):
        return not_run(f"{lack}, which this Python came without")
    outcome = Outcome(number)
    as_before = 0
    for name in _TESTS[:number]:
        trace = os.path.abspath(f"{name}.bin")
        failed, tests = _failures(name, {"FWMEMTRACE": trace, **_TRACED})
        if failed:
            plain, _ = _failures(name, {})
            as_before += len(failed & plain)
            outcome.expect(failed <= plain, f"{name}: only under the sampler fail {', '.join(sorted(failed - plain))}")
        heaps = [row.heap for row in fwmemtrace.read(trace).phases if row.heap is not None]
        outcome.expect(tests > 0, f"{name}: no test was run")
        outcome.expect(bool(heaps), f"{name}: there is no sampled heap")
        for figure, more in (("tests", tests), ("samples", sum(heap.samples for heap in heaps))):
            outcome.figures[figure] = outcome.figures.get(figure, 0) + more
    if as_before:
        outcome.figures["fail without the sampler as well"] = as_before
    return outcome


def _failures(name: str, variables: dict[str, str]) -> tuple[set[str], int]:
    """Return the tests of a file that fail, and how many there are."""
    command = [sys.executable, "-X", "faulthandler", "-c", _START, "-v", name]
    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, errors="replace", check=False
    )
    text = done.stdout + done.stderr
    failed = set(re.findall(r"^(?:FAIL|ERROR): (.+)$", text, re.MULTILINE))
    if done.returncode and not failed:
        failed = {f"exit status {done.returncode}: {text[-500:]}"}
    return failed, sum(map(int, re.findall(r"^Ran (\d+) tests?", text, re.MULTILINE)))
