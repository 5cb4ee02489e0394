"""Tables of benchmarks in the documentation come from a file that `python -m benchmarks --save` writes."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import results

    return results


def row(results: ModuleType, name: str, ratio: float):
    return results.Row(name, ratio * 2e6, 2e6, ratio, 0.5, "ns")


def test_a_run_replaces_the_results_of_its_benchmarks_alone(results: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    results.save(path, {"one": [row(results, "a", 0.1)], "two": [row(results, "b", 0.2)]})
    results.save(path, {"two": [row(results, "c", 0.3)]})
    assert [each.name for each in results.load(path, "one")] == ["a"]
    assert results.load(path, "two") == [row(results, "c", 0.3)]
    with pytest.raises(KeyError, match=r"python -m benchmarks --save .*three"):
        results.load(path, "three")


def test_a_table_has_figures_with_units_and_a_verdict(results: ModuleType) -> None:
    table = results.markdown(
        [row(results, "a", 0.25), row(results, "b", 0.75), results.Row("alone", 7, 7, 1, 5, "B", kind="at most")]
    ).splitlines()
    assert table[2] == "| a | 500.0 us | 2.0 ms | 0.25x | <= 0.5x | reached |"
    assert table[3].endswith("| NOT REACHED |")
    within = results.Row("within", 2e6, 2e6, 0.95, 0.1, "B", kind="within")
    assert within.reached
    assert results.markdown([within]).splitlines()[2] == "| within | 2.0 MB | 2.0 MB | 0.95x | 1x +- 0.1 | reached |"
    assert not results.Row("within", 2e6, 2e6, 0.85, 0.1, "B", kind="within").reached
    assert table[4] == "| alone | 7 B |  |  | <= 5 B | NOT REACHED |"


def test_every_benchmark_is_in_the_file_and_on_one_page(results: ModuleType) -> None:
    from benchmarks.harness import names

    shown = []
    for page in ("design.md", "native.md", "heap.md", "fleet.md", "web.md"):
        marks = runpy.run_path(str(ROOT / "docs" / "make.py"))["_BENCHMARKS"]
        for listed in marks.findall((ROOT / "docs" / page).read_text()):
            shown += listed.split(", ")
    assert sorted(shown) == names() == sorted(json.loads((ROOT / "docs" / "benchmarks.json").read_text()))


def test_help_of_the_generator_writes_nothing(tmp_path: Path) -> None:
    pages = {page: page.stat().st_mtime_ns for page in (ROOT / "docs").iterdir()}
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make.py", "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage:")
    assert pages == {page: page.stat().st_mtime_ns for page in (ROOT / "docs").iterdir()}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_imports_exists(path: Path) -> None:
    """Also in the programs that it keeps as text and starts in fresh processes: mypy does not see those."""
    text = path.read_text()
    if "fwmemtrace.fleet" in text:
        pytest.importorskip("ibis", reason="needs fwmemtrace[fleet]")
    if "integrations.starlette" in text:
        pytest.importorskip("starlette", reason="needs starlette")
    for module, names in re.findall(r"(?m)^\s*from (fwmemtrace[\w.]*) import \(?([\w, ]+)", text):
        found = importlib.import_module(module)
        for name in names.split(", "):
            name = name.partition(" as ")[0]
            assert hasattr(found, name) or find_spec(f"{module}.{name}"), f"{module}.{name}"
    for line in re.findall(r"(?m)^import (.*)$", text):
        for module in re.findall(r"fwmemtrace[\w.]*", line):
            assert find_spec(module), module


def test_a_program_without_its_phases_has_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.undecorated import undecorated

    source = """from fwmemtrace import phase
class Guard:
    @phase
    def load(self):
        return 1
    @phase(
        "check it"
    )
    @staticmethod
    def check():
        with phase("look", size=2):
            one = 1
            two = 2
        return one + two
"""
    plain, lines = undecorated(source)
    assert "@phase" not in plain
    assert "with phase" not in plain
    assert plain.splitlines()[10:13] == ["        if True:", "            one = 1", "            two = 2"]
    namespace: dict = {}
    exec(plain, namespace)
    assert (namespace["Guard"].check(), namespace["Guard"]().load()) == (3, 1)
    assert lines == {"Guard.load": [range(5, 6)], "check it": [range(11, 15)], "look": [range(12, 14)]}
