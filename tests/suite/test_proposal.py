"""The suite file that `suite --init` proposes: it can be read, and names what brought memory first."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from fwmemtrace.errors import SuiteError
from fwmemtrace.suite.proposal import propose

SOURCE = """
    from fwmemtrace import phase

    class Table:
        def __init__(self, size, scale=1):
            self.size = size

        def describe(self):
            return "table"

        def look_up(self, text, at, strict=False):
            return text[at]

    class _Hidden:
        def work(self, x): ...

    def load(kept=[]):
        kept.append(bytearray(b"x") * 60_000_000)
        total = sum(range(500_000))
        return kept

    if __name__ == "__main__":
        load()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "planted_service.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_classes_are_proposed_with_what_is_to_fill_in(package):
    source = propose("planted_service", None)
    made = {}
    exec(compile(source, "suite.py", "exec"), made)
    (table,) = made["components"]
    assert (table.name, table.inputs) == ("table", ["a typical request"])
    assert "return Table(size=...)" in source
    assert "return made.look_up(item, at=...)  # or describe" in source
    assert "_Hidden" not in source


def test_a_package_that_does_not_exist(package):
    with pytest.raises(SuiteError, match="no module named 'no_such_package'"):
        propose("no_such_package", None)


@pytest.mark.slow
def test_what_brought_memory_in_a_run_comes_first_and_the_proposal_runs(package):
    command = [sys.executable, "-m", "fwmemtrace"]
    subprocess.run([*command, "run", "planted_service.py"], cwd=package, capture_output=True, check=True)
    done = subprocess.run([*command, "suite", "--init", "planted_service"], cwd=package, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'Component("load", make_load, ask_load, inputs=["a typical request"]),  # brought 60' in done.stdout
    assert "Table" not in done.stdout
    (package / "suite.py").write_text(done.stdout.replace('inputs=["a typical request"]', "inputs=[[]], batch=1"))
    ran = subprocess.run(
        [*command, "suite", "suite.py", "--quick", "--repeat", "1"], cwd=package, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "load" in ran.stdout
