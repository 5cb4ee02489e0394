"""Rises of RSS by stack: how close they come to exact phases on the same programs, and what they cost.

Each program runs twice: as it is, with its phases, and with them taken out. The bytes of a phase, exact by the kernel's
high-water mark, are compared with what is charged to the phase's lines in the other run. What imports account for is
left out on both sides.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from statistics import median
from typing import Any

import fwmemtrace
from benchmarks.harness import ROOT, Row, fresh
from benchmarks.undecorated import undecorated
from fwmemtrace.analysis.standing_rises import StandingRises
from fwmemtrace.records import ModuleImport, PhaseBegin, PhaseEnd, Record, RssChange, SampledStack

EXAMPLES = ROOT / "examples"
PROGRAMS = {
    "guard": ("torch", "sentence_transformers"),
    "etl": ("pandas", "pyarrow"),
    "threaded_server": (),
}
LEAST_BYTES = 20_000_000
_TOLERANCE = 0.1
_ROUNDS = 3
_COST_ROUNDS = 5

# Processor time of all threads, time by the clock, and the high-water mark of the whole run: a session resets the
# kernel's. Short calls are looked for as in `fwmemtrace run`.
_COST = """
import json, resource, runpy, sys, time
import fwmemtrace
program, interval, trace = sys.argv[1], sys.argv[2], sys.argv[3]
sys.argv[:] = [program]
began, clock = time.process_time_ns(), time.perf_counter_ns()
session = fwmemtrace.start(
    trace, probes=["resident", "imports"], interval=interval, exact_peak=False, short_calls=True, overwrite=True
)
runpy.run_path(program, run_name="__main__")
session.stop()
took, wall = time.process_time_ns() - began, time.perf_counter_ns() - clock
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"ns": took, "wall_ns": wall, "bytes": most}))
"""
_LOOP = """
kept = []
for _ in range(40):
    kept.append([(number, str(number)) for number in range(60_000)])
    if len(kept) > 10:
        del kept[:5]
"""


def run() -> list[Row]:
    """Compare with exact phases, then with the timeline switched off."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    rows: list[Row] = []
    programs = [name for name, needs in PROGRAMS.items() if all(find_spec(need) for need in needs)]
    for name in PROGRAMS.keys() - programs:
        print(f"{name} is left out: it needs {' and '.join(PROGRAMS[name])}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for name in programs:
            rows += _accuracy(name, Path(folder))
        loop = Path(folder, "loop.py")
        loop.write_text(_LOOP)
        plain = {"allocation loop": loop}
        for name in programs:
            if name != "threaded_server":
                plain[name] = Path(folder, f"{name}.py")
        for name, program in plain.items():
            rows += _cost(name, program, Path(folder, "trace.bin"))
    return rows


def _accuracy(name: str, folder: Path) -> Iterator[Row]:
    program = EXAMPLES / f"{name}.py"
    turns = [compare(program, folder) for _ in range(_ROUNDS)]
    for phase, (_, exact) in turns[0].items():
        if exact >= LEAST_BYTES:
            pairs = [turn[phase] for turn in turns]
            yield Row(
                f"{name}, {phase}: by stack / exact phase",
                median(ours for ours, _ in pairs),
                median(peer for _, peer in pairs),
                median(ours / peer for ours, peer in pairs),
                _TOLERANCE,
                "B",
                "within",
            )


def compare(program: Path, folder: Path) -> dict[str, tuple[int, int]]:
    """Run a program with and without its phases.

    Args:
        program: a script; its data is beside it.
        folder: for the script without phases and the traces.

    Returns:
        For each phase, the bytes that rises charged to its lines, and the exact ones.
    """
    source, blocks = undecorated(program.read_text())
    without = folder / program.name
    without.unlink(missing_ok=True)  # it may be a link to the program itself, made for an earlier one beside it
    without.write_text(source)
    for beside in program.parent.iterdir():
        if beside.is_file() and beside.suffix != ".py":
            copyfile(beside, folder / beside.name)
    exact = exact_bytes(_traced(program, folder / "phases.bin"))
    stacks = _traced(without, folder / "stacks.bin")
    return {name: (charged_bytes(stacks, without, lines), exact.get(name, 0)) for name, lines in blocks.items()}


def _traced(program: Path, trace: Path) -> list[Record]:
    command = [sys.executable, "-m", "fwmemtrace", "run", "-fqo", str(trace), str(program)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return list(fwmemtrace.read(trace))


def exact_bytes(records: Iterable[Record]) -> dict[str, int]:
    """Return the most that the calls of each phase held at once, without what imports account for.

    A call that gives memory back before it ends counts with its peak, as long as it runs.
    """
    began: dict[int, PhaseBegin] = {}
    imported: defaultdict[int, int] = defaultdict(int)
    kept: defaultdict[str, int] = defaultdict(int)
    most: defaultdict[str, int] = defaultdict(int)
    for record in records:
        if isinstance(record, PhaseBegin):
            began[record.span] = record
        elif isinstance(record, ModuleImport):
            span: int | None = record.span
            while span in began:
                imported[span] += record.own_bytes
                span = began[span].parent
        elif isinstance(record, PhaseEnd) and record.span in began:
            begin, of_imports = began[record.span], imported[record.span]
            change = record.rss_bytes - begin.rss_bytes - of_imports
            # The peak of an import is no matter of its phase.
            peak = change if of_imports > change else record.peak_rss_bytes - begin.rss_bytes - of_imports
            most[begin.name] = max(most[begin.name], kept[begin.name] + max(change, peak))
            kept[begin.name] = max(0, kept[begin.name] + change)
    return dict(most)


def charged_bytes(records: Iterable[Record], program: Path, lines: Iterable[range]) -> int:
    """Return the most that stood at once of the rises that were charged to these lines of a program."""
    stacks: dict[int, bool] = {}
    standing: StandingRises[bool] = StandingRises()
    most = 0
    for record in records:
        if isinstance(record, SampledStack):
            stacks[record.stack] = any(
                file == str(program) and any(line in part for part in lines) for _, file, line in record.frames
            )
        elif isinstance(record, RssChange):
            if record.delta_bytes < 0:
                standing.fall(-record.delta_bytes, record.rss_bytes - record.delta_bytes)
            else:
                standing.rise(stacks.get(record.stack, False), 0, record.delta_bytes)
                most = max(most, standing.now.get(True, 0))
    return most


def _cost(name: str, program: Path, trace: Path) -> Iterator[Row]:
    """With the timeline, and without it."""

    def measure(interval: str) -> Any:
        return fresh(_COST, str(program), interval, str(trace))

    turns = [(measure("50ms"), measure("0")) for _ in range(_COST_ROUNDS + 1)][1:]
    figures = (("ns", "ns", "processor time"), ("wall_ns", "ns", "time by the clock"), ("bytes", "B", "peak RSS"))
    for figure, unit, title in figures:
        yield Row(
            f"{name}, rises by stack / interval=0: {title}",
            median(ours[figure] for ours, _ in turns),
            median(peer[figure] for _, peer in turns),
            median(ours[figure] / peer[figure] for ours, peer in turns),
            1.01,
            unit,
        )
