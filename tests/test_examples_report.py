"""The examples without any phase: the report of the first run names the lines, the imports and the weights."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import results

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
MB = 10**6


def traced(program: Path, folder: Path, *arguments: str) -> results.TraceReport:
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "fwmemtrace", "run", "-o", "trace.bin", str(program), *arguments]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return fwmemtrace.read(folder / "trace.bin").summary()


def line_of(program: Path, code: str) -> int:
    """The number of the line that has this code."""
    (number,) = [number for number, line in enumerate(program.read_text().splitlines(), 1) if code in line]
    return number


@pytest.fixture(scope="module")
def undecorated_guard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, results.TraceReport]:
    sys.path.insert(0, str(ROOT))
    try:
        from benchmarks.undecorated import undecorated
    finally:
        sys.path.remove(str(ROOT))
    folder = tmp_path_factory.mktemp("undecorated")
    source, _ = undecorated((EXAMPLES / "guard.py").read_text())
    assert not re.search(r"@phase|with phase", source)
    program = folder / "guard.py"
    program.write_text(source)
    (folder / "prompts.txt").write_text((EXAMPLES / "prompts.txt").read_text())
    return program, traced(program, folder)


@pytest.mark.guard
def test_imports_are_named_with_the_line_that_asks_for_them(
    undecorated_guard: tuple[Path, results.TraceReport],
) -> None:
    program, report = undecorated_guard
    packages = {row.package: row for row in report.import_packages or []}
    torch_line = line_of(program, "import torch")
    transformer_line = line_of(program, "from sentence_transformers import")
    assert packages["torch"].own_bytes > 100 * MB
    assert packages["torch"].asked_by.endswith(f":{torch_line}")
    for package in ("transformers", "scipy"):
        assert packages[package].own_bytes > 10 * MB
        assert packages[package].asked_by.endswith(f":{transformer_line}")


@pytest.mark.guard
def test_the_load_of_the_weights_and_the_requests_are_named_with_their_lines(
    undecorated_guard: tuple[Path, results.TraceReport],
) -> None:
    program, report = undecorated_guard
    (rises,) = report.rises or []
    by_line: dict[int, int] = {}
    for row in rises.lines:
        assert row.line.file == str(program)
        by_line[row.line.line] = by_line.get(row.line.line, 0) + row.bytes
    assert by_line[line_of(program, "SentenceTransformer(str(model_folder())")] > 10 * MB
    assert by_line[line_of(program, "self._model.encode(")] > 50 * MB
    # The model's file is mapped: its pages come in with the first request.
    (end,) = [made for made in report.composition or [] if made.moment == "end"]
    assert sum(item.bytes for item in end.items if item.category == "model file") > 30 * MB


@pytest.mark.guard
def test_the_parts_of_a_rise_add_up(undecorated_guard: tuple[Path, results.TraceReport]) -> None:
    _, report = undecorated_guard
    (rises,) = report.rises or []
    assert rises.imported_bytes > 300 * MB
    assert abs(rises.unattributed_bytes) < 10 * MB
    parts = rises.imported_bytes + rises.risen_bytes + rises.fallen_bytes + rises.unattributed_bytes
    assert parts == rises.rss_delta_bytes


@pytest.mark.guard
@pytest.mark.skipif(not (find_spec("onnx") and find_spec("onnxruntime")), reason="needs the extra onnx")
def test_tensors_of_onnx_runtime_are_named_with_the_line_that_made_them(tmp_path: Path) -> None:
    program = EXAMPLES / "onnx_guard.py"
    report = traced(program, tmp_path)
    (rises,) = report.rises or []
    largest = rises.lines[0]
    assert (largest.line.function, largest.line.line) == (
        "SemanticGuard.encode",
        line_of(program, "self._session.run("),
    )
    assert largest.package == "onnxruntime"
    assert largest.bytes > 2_500 * MB
    assert largest.at_peak_bytes > 0.9 * report.trace.processes[0].peak_bytes
    assert "onnx_guard.py" in fwmemtrace.read(tmp_path / "trace.bin").report("text")
