"""Forked workers that write to the memory of their parent: what becomes private, while RSS stays where it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

import fwmemtrace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork and /proc/self/smaps"),
]
MB = 10**6
SOURCE = Path(fwmemtrace.__file__).parent.parent

PROGRAM = """
import multiprocessing, sys
from fwmemtrace import phase

def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))

def copy(rows, queue, parts):
    before = private()
    for part in range(parts):
        with phase("work"):
            for row in rows[len(rows) * part // parts : len(rows) * (part + 1) // parts]:
                len(row)  # reading an object writes its count of references
    queue.put((before, private()))
    queue.close()
    queue.join_thread()

with phase("load"):
    rows = [str(n).zfill(200) for n in range(200_000)]
fork = multiprocessing.get_context("fork")
queue = fork.Queue()
workers = [fork.Process(target=copy, args=(rows, queue, int(sys.argv[1]))) for _ in range(3)]
for each in workers:
    each.start()
for each in workers:
    print(*queue.get())
for each in workers:
    each.join()
"""


Outcome: TypeAlias = tuple[fwmemtrace.Trace, list[list[int]]]


def run(folder: Path, calls: int) -> Outcome:
    """Trace three workers that read all objects of their parent; with their private memory before and after."""
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "fwmemtrace", "run", "-o", "trace.bin", "program.py", str(calls)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    truth = [list(map(int, line.split())) for line in done.stdout.splitlines() if line[:1].isdigit()]
    return fwmemtrace.read(folder / "trace.bin"), truth


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("fork"), 1)


def test_a_phase_shows_what_became_private(outcome: Outcome) -> None:
    trace, truth = outcome
    report = trace.summary()
    grown = sum(after - before for before, after in truth) / len(truth)
    assert grown > 40 * MB
    ledgers = [one for one in report.ledger or [] if one.path.endswith("work")]
    assert len(ledgers) == 3
    for ledger in ledgers:
        assert abs(ledger.rss_delta_bytes) < 5 * MB
        assert abs(ledger.private_bytes - grown) < 0.1 * grown
        heap = next(item for item in ledger.items if item.category == "python heap")
        assert heap.private_bytes > 0.8 * grown


def test_the_forecast_takes_the_private_memory_of_forked_workers(
    outcome: Outcome,
) -> None:
    trace, truth = outcome
    private = sum(after for _, after in truth) / len(truth)
    workers = trace.summary().workers
    assert workers is not None
    two = workers[0]
    assert two.measured_workers == 3
    assert abs(two.each_bytes - private) < 0.1 * private
    parent = trace.processes[0].report().trace.processes[0].peak_bytes
    assert abs(two.once_bytes - parent) < 0.1 * parent
    assert two.total_bytes == two.once_bytes + 2 * two.each_bytes


def test_the_text_report_has_private_and_shared_memory_and_pss(
    outcome: Outcome,
) -> None:
    text = outcome[0].report("text")
    header = next(line for line in text.splitlines() if "private" in line and "PSS" in line and "pid" in line)
    assert header.split() == ["pid", "peak", "RSS", "RSS", "at", "the", "end", "private", "shared", "PSS"]
    assert "Private memory grew by" in text
    assert "the 3 forked workers in this trace" in " ".join(text.split())


def test_pages_copied_in_many_calls_are_seen_although_rss_never_moves(tmp_path: Path) -> None:
    trace, truth = run(tmp_path, 40)
    private = sum(after for _, after in truth) / len(truth)
    workers = trace.summary().workers
    assert workers is not None
    assert abs(workers[0].each_bytes - private) < 0.1 * private
