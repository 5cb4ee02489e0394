"""What the benchmarks share: a row of the table, measuring in pairs, fresh processes, and printing.

Only what was measured side by side is compared: absolute times of a shared machine say little, ratios within one run
hold. Ours and the peer's take turns, and the median of the turns' ratios counts.
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
_NOT_BENCHMARKS = ("__main__", "harness", "results")
HEAD = ("benchmark", "ours", "peer", "ratio", "target", "")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: what was measured, and against what.
        ours: what fwmemtrace took, in `unit`.
        peer: what the peer took.
        ratio: ours against the peer's, the median over the turns.
        target: the limit, by `kind`.
        unit: "B", "ns", or any other word for a plain number.
        kind: "ratio": the ratio is at most the target ("5x faster" is a target of 0.2); "added": ours is at most the
            target above the peer, in `unit`; "at most" and "at least": ours alone against the target, in `unit`.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    target: float
    unit: str
    kind: Literal["ratio", "added", "at most", "at least"] = "ratio"

    @property
    def reached(self) -> bool:
        """Whether the target holds."""
        if self.kind == "ratio":
            return self.ratio <= self.target
        if self.kind == "added":
            return self.ours - self.peer <= self.target
        return self.ours <= self.target if self.kind == "at most" else self.ours >= self.target


class Pair(NamedTuple):
    """Medians of a measurement in turns."""

    ours: float
    peer: float
    ratio: float


def in_turns(ours: Callable[[], float], peer: Callable[[], float], rounds: int = 7) -> Pair:
    """Call both by turns, each giving what it measured.

    Args:
        ours: measures fwmemtrace once.
        peer: measures the peer once.
        rounds: how many turns; one more is thrown away to warm up.
    """
    turns = [(ours(), peer()) for _ in range(rounds + 1)][1:]
    return Pair(median(a for a, _ in turns), median(b for _, b in turns), median(a / b for a, b in turns))


def time_statements(ours: str, peer: str, names: dict[str, Any], *, number: int, rounds: int = 7) -> Pair:
    """Time two statements by turns; the time of an empty loop is taken off both.

    Args:
        ours: a statement that uses fwmemtrace.
        peer: the same job, done by the peer.
        names: what the statements refer to.
        number: runs a turn.
        rounds: how many turns.

    Returns:
        Nanoseconds a run.
    """
    # The loop's own share, at its best: measured anew in each turn, a disturbed one would count as negative time.
    empty = min(Timer("pass").repeat(20, number)) / number

    def nanoseconds(statement: str) -> Callable[[], float]:
        timer = Timer(statement, globals=names)
        return lambda: (timer.timeit(number) / number - empty) * 1e9

    return in_turns(nanoseconds(ours), nanoseconds(peer), rounds)


def fresh(code: str, *arguments: str) -> Any:
    """Run Python code in a fresh interpreter and give what its last line of output says, read as JSON.

    Args:
        code: what to run; it prints JSON last.
        arguments: its `sys.argv[1:]`.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def names() -> list[str]:
    """Every benchmark there is."""
    return sorted(
        found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name not in _NOT_BENCHMARKS
    )


def run_fresh(name: str) -> list[Row]:
    """Run one benchmark in a process of its own, so that none measures what another one left behind."""
    rows = fresh("import sys; from benchmarks.harness import print_rows; print_rows(sys.argv[1])", name)
    return [Row(**row) for row in rows]


def print_rows(name: str) -> None:
    """What that process does."""
    rows = importlib.import_module(f"benchmarks.{name}").run()
    print(json.dumps([asdict(row) for row in rows]))


def table(rows: Sequence[Row]) -> str:
    """The rows for people: what was measured, its ratio to the peer, the target, and whether that was reached."""
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
    """The columns of a row, those of `HEAD`."""
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
    words = {"added": "peer +", "at most": "<=", "at least": ">="}
    return f"{words[row.kind]} {_figure(row.target, row.unit)}"


def _figure(value: float, unit: str) -> str:
    if unit == "B":
        return format_bytes(value)
    if unit == "ns":
        return format_duration(value)
    return f"{format_count(value) if value >= 1000 else f'{value:.3g}'} {unit}".rstrip()
