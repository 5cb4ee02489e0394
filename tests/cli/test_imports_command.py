import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.records import ModuleImport

pytestmark = pytest.mark.slow

SOURCE = Path(fwmemtrace.__file__).parent.parent
BIG = (
    "import mmap\ntable = mmap.mmap(-1, {} * 10**6, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)\n"
)


def imports(folder, *words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "fwmemtrace", "imports", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fw_outer.py").write_text("print('hello')\nimport fw_inner\n" + BIG.format(20))
    (tmp_path / "fw_inner.py").write_text(BIG.format(30))
    (tmp_path / "fw_broken.py").write_text("raise RuntimeError('no licence\\nsecond line')")
    (tmp_path / "fw_killed.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    return tmp_path


def test_json(folder):
    done = imports(folder, "fw_outer", "--format", "json", "--workers", "3")
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    assert (cost["format"], cost["version"], cost["modules"]) == ("fwmemtrace-imports", 1, ["fw_outer"])
    rows = {row["module"]: row for row in cost["imports"]}
    assert rows["fw_inner"]["parent"] == "fw_outer"
    assert rows["fw_inner"]["chain"] == ["fw_outer"]
    assert abs(rows["fw_inner"]["own_bytes"] - 30_000_000) < 10**6
    assert abs(rows["fw_outer"]["cumulative_bytes"] - 50_000_000) < 2 * 10**6
    own = sum(row["own_bytes"] for row in cost["imports"])
    assert own + cost["unaccounted_bytes"] == cost["rss_delta_bytes"]
    (ledger,) = cost["ledger"]
    # Memory that a module maps itself belongs to no category.
    assert abs(ledger["unexplained_bytes"] - 50_000_000) < 2 * 10**6  # a ledger's tolerance
    (workers,) = cost["workers"]
    assert workers["total_bytes"] == workers["once_bytes"] + 3 * workers["each_bytes"]


def test_the_text_report_leaves_out_what_the_module_prints(folder):
    done = imports(folder, "fw_outer", "--top", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Importing fw_outer adds 5")
    assert "fw_outer" in done.stdout
    assert "2 more modules" in done.stdout
    assert "hello" not in done.stdout
    assert "hello" in done.stderr


def test_the_environment_starts_no_session_in_the_fresh_interpreter(folder):
    done = imports(folder, "fw_inner", "--format", "json", FWMEMTRACE=str(folder / "other.bin"))
    assert done.returncode == 0, done.stderr
    assert not (folder / "other.bin").exists()


def test_the_trace_can_be_kept(folder):
    done = imports(folder, "fw_inner", "--trace", "kept.bin", "-o", "report.txt")
    assert (done.returncode, done.stdout) == (0, "")
    assert "fw_inner" in (folder / "report.txt").read_text()
    assert any(isinstance(record, ModuleImport) for record in fwmemtrace.read(folder / "kept.bin"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fw_missing"], "cannot import fw_missing: ModuleNotFoundError"),
        (["fw_broken"], "cannot import fw_broken: RuntimeError: no licence\n"),
        (["fw_killed"], "importing fw_killed was killed by SIGKILL; keep the trace with --trace to see where"),
        (["json", "--top", "0"], "--top 0: must be at least 1"),
        (["json", "-o", "no/such/folder"], "no/such/folder cannot be written"),
    ],
)
def test_errors_are_one_line_and_status_2(folder, words, message):
    done = imports(folder, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
