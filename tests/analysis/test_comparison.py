"""Comparing two traces."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.analysis.comparison import BeforeAfter, compare

MB = 10**6
NewMemory: TypeAlias = Callable[[int], mmap.mmap]


def trace(path: Path, new_memory: NewMemory, size: int, extra: str) -> fwmemtrace.Trace:
    with fwmemtrace.session(path, interval=0):
        with phase("init"):
            ballast = new_memory(size)
        for _ in range(3):
            with phase(extra):
                pass
        ballast.close()
    return fwmemtrace.read(path)


def test_the_difference_is_reported_by_phase(tmp_path: Path, new_memory: NewMemory) -> None:
    before = trace(tmp_path / "before.bin", new_memory, 40 * MB, "old")
    after = trace(tmp_path / "after.bin", new_memory, 100 * MB, "new")
    changes = {change.path: change for change in compare(before.summary(), after.summary())}
    assert list(changes) == ["init", "new", "old", ""]
    assert abs(changes["init"].delta_bytes.change - 60 * MB) < MB
    assert changes["new"].calls == BeforeAfter(None, 3)
    assert changes["old"].calls == BeforeAfter(3, None)
    assert changes["new"].peak_bytes.before is None
    assert changes["init"].native_live_bytes == BeforeAfter(None, None)


def test_the_command_prints_a_row_for_each_phase(tmp_path: Path, new_memory: NewMemory) -> None:
    trace(tmp_path / "before.bin", new_memory, 40 * MB, "old")
    trace(tmp_path / "after.bin", new_memory, 100 * MB, "new")
    command = [sys.executable, "-m", "fwmemtrace", "diff", "before.bin", "after.bin"]
    wide = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(command, cwd=tmp_path, env=wide, capture_output=True, text=True, check=True)
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:]}
    assert list(rows) == ["init", "new", "old", "outside"]
    assert rows["old"].count("-") == 2
    missing = subprocess.run([*command[:4], "before.bin", "nothing.bin"], cwd=tmp_path, capture_output=True, text=True)
    assert missing.returncode == 2
    assert "nothing.bin: no such file" in missing.stderr
