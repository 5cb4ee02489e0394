"""Shared by all benchmarks: rows of the table, measurements in turns, fresh processes, and printing.

Only what was measured side by side is compared: on a shared machine, absolute times mean little, but ratios within one
run hold. Ours and the peer's take turns, and the median of the ratios of all turns counts.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from timeit import Timer
from typing import Any, Literal, NamedTuple

from fwmemtrace.units import format_bytes, format_count, format_duration

ROOT = Path(__file__).parent.parent
_NOT_BENCHMARKS = (
    "__main__",
    "fleet_data",
    "guard_service",
    "harness",
    "plan_trial",
    "results",
    "services",
    "undecorated",
    "workers",
)
HEAD = ("benchmark", "ours", "peer", "ratio", "target", "")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what was measured, and the peer.
        ours: the figure of fwmemtrace, in `unit`.
        peer: the figure of the peer.
        ratio: ours divided by the peer's, the median over the turns.
        target: the limit, by `kind`.
        unit: "B", "ns", or any other word for a plain number.
        kind: "ratio": the ratio is at most the target ("5x faster" is a target of 0.2); "added": ours is at most the
            target above the peer, in `unit`; "within": the ratio is 1, give or take the target; "at most" and "at
            least": ours alone against the target, in `unit`.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    target: float
    unit: str
    kind: Literal["ratio", "within", "added", "at most", "at least"] = "ratio"

    @property
    def reached(self) -> bool:
        """Whether the target is reached."""
        if self.kind == "ratio":
            return self.ratio <= self.target
        if self.kind == "within":
            return abs(self.ratio - 1) <= self.target
        if self.kind == "added":
            return self.ours - self.peer <= self.target
        return self.ours <= self.target if self.kind == "at most" else self.ours >= self.target


class Pair(NamedTuple):
    """Medians of a measurement in turns."""

    ours: float
    peer: float
    ratio: float


def in_turns(ours: Callable[[], float], peer: Callable[[], float], rounds: int = 7) -> Pair:
    """Call both in turns; each returns its measurement.

    Args:
        ours: measures fwmemtrace once.
        peer: measures the peer once.
        rounds: the number of turns; one more, to warm up, is discarded.
    """
    turns = [(ours(), peer()) for _ in range(rounds + 1)][1:]
    return Pair(median(a for a, _ in turns), median(b for _, b in turns), median(a / b for a, b in turns))


def time_statements(ours: str, peer: str, names: dict[str, Any], *, number: int, rounds: int = 7) -> Pair:
    """Time two statements in turns; the time of an empty loop is subtracted from both.

    Args:
        ours: a statement that uses fwmemtrace.
        peer: the same job, done by the peer.
        names: what the statements refer to.
        number: runs per turn.
        rounds: the number of turns.

    Returns:
        Nanoseconds per run.
    """
    # The best of several: if it were measured again in each turn, a disturbed one would count as negative time.
    empty = min(Timer("pass").repeat(20, number)) / number

    def nanoseconds(statement: str) -> Callable[[], float]:
        timer = Timer(statement, globals=names)
        return lambda: (timer.timeit(number) / number - empty) * 1e9

    return in_turns(nanoseconds(ours), nanoseconds(peer), rounds)


def fresh(code: str, *arguments: str) -> Any:
    """Run Python code in a fresh interpreter and return the last line of its output, read as JSON.

    Args:
        code: the code; it prints JSON last.
        arguments: its `sys.argv[1:]`.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def names() -> list[str]:
    """The names of all benchmarks."""
    return sorted(
        found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name not in _NOT_BENCHMARKS
    )


def run_fresh(name: str) -> list[Row]:
    """Run one benchmark in a process of its own, free of what another one left behind."""
    rows = fresh("import sys; from benchmarks.harness import print_rows; print_rows(sys.argv[1])", name)
    return [Row(**row) for row in rows]


def print_rows(name: str) -> None:
    """Run a benchmark and print its rows as JSON: the job of that process."""
    rows = importlib.import_module(f"benchmarks.{name}").run()
    print(json.dumps([asdict(row) for row in rows]))


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table of text."""
    lines = [HEAD, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 5) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def cells(row: Row) -> tuple[str, ...]:
    """Return the columns of a row, those of `HEAD`."""
    alone = row.kind in ("at most", "at least")  # there is no peer
    return (
        row.name,
        _figure(row.ours, row.unit),
        "" if alone else _figure(row.peer, row.unit),
        "" if alone else f"{row.ratio:.3g}x" if row.ratio < 0.1 else f"{row.ratio:.2f}x",
        _target(row),
        "reached" if row.reached else "NOT REACHED",
    )


def _target(row: Row) -> str:
    if row.kind == "ratio":
        return f"<= {row.target:g}x"
    if row.kind == "within":
        return f"1x +- {row.target:g}"
    words = {"added": "peer +", "at most": "<=", "at least": ">="}
    return f"{words[row.kind]} {_figure(row.target, row.unit)}"


def _figure(value: float, unit: str) -> str:
    if unit == "B":
        return format_bytes(value)
    if unit == "ns":
        return format_duration(value)
    return f"{format_count(value) if value >= 1000 else f'{value:.3g}'} {unit}".rstrip()
