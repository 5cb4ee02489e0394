"""Earlier runs of the same tests, to compare with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...errors import FwmemtraceError
from ...trace import read
from ...units import format_bytes
from .figures import StageFigures
from .options import Tolerance


class Baseline:
    """What the call of each test took in earlier runs.

    Where there are several runs, an increase counts only if it is above the largest of them by more than they differ.
    """

    def __init__(self, calls: dict[str, list[tuple[int, int]]]) -> None:
        self._calls = calls  # change and peak in bytes, of each run, by the test's id

    @classmethod
    def read(cls, path: str) -> Baseline:
        """Read a trace, or all traces of a folder.

        Raises:
            pytest.UsageError: if there is none, or one cannot be read.
        """
        place = Path(path)
        files = sorted(place.glob("*.bin")) if place.is_dir() else [place]
        if not files:
            raise pytest.UsageError(f"--fwmemtrace-against {path}: there is no trace (*.bin) in this folder")
        calls: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for file in files:
            try:
                rows = read(file).processes[0].report(0).phases
            except (FwmemtraceError, OSError) as error:
                raise pytest.UsageError(f"--fwmemtrace-against: {error}") from None
            for row in rows:
                if row.name == "call" and row.parent and row.resident is not None:
                    resident = row.resident
                    calls[row.parent].append((resident.delta_bytes, resident.peak_bytes - resident.before_bytes))
        return cls(dict(calls))

    def regressions(self, test: str, figures: StageFigures, tolerance: Tolerance) -> Iterator[str]:
        """Yield a line for each figure of a test that is higher than in the baseline."""
        runs = self._calls.get(test, [])
        for at, (words, now) in enumerate((("RSS rose by", figures.change), ("RSS peaked", figures.peak))):
            earlier = [run[at] for run in runs]
            if not earlier:
                continue
            highest = max(earlier)
            noise = highest - min(earlier)
            if not tolerance.allows(highest + noise, now):
                above = " above the start of the test" if at else ""
                yield f"{words} {format_bytes(now)}{above}; it was {format_bytes(highest)} in the baseline"
