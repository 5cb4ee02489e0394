"""`run --deep`: a program runs again, in fresh processes, once for each probe that its first run asks for."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.recording.child_environment import untraced_environment

MB = 10**6
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="what to run next comes from /proc"),
]

PROGRAM = """
    import os, sys
    from fwmemtrace import phase

    KEPT = []
    with open("runs", "a") as file:
        print(os.getpid(), file=file)
    with phase("load"):
        KEPT.append(bytearray(b"x") * 80_000_000)
        KEPT.append([str(number) for number in range(600_000)])
    sys.exit(3)
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(textwrap.dedent(PROGRAM))
    command = [sys.executable, "-m", "fwmemtrace", "run", *options, "program.py"]
    return subprocess.run(
        command, cwd=folder, env=untraced_environment(), capture_output=True, text=True, timeout=600, check=False
    )


def processes(folder: Path) -> list[str]:
    return (folder / "runs").read_text().split()


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    pytest.importorskip("memray")
    folder = tmp_path_factory.mktemp("deep")
    return folder, run(folder, "--deep")


def test_each_run_is_a_process_of_its_own(deep: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = deep
    assert done.returncode == 3, done.stderr  # the program's own
    assert len(set(processes(folder))) == 3
    assert sorted(path.name for path in folder.glob("*.bin")) == [
        "trace.bin",
        "trace.deep-native.bin",
        "trace.deep-python_heap.bin",
    ]


def test_the_report_has_the_tables_of_all_runs_and_the_rss_of_the_first(
    deep: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = deep
    report = json.loads(fwmemtrace.read(folder / "trace.bin").report("json"))
    light = json.loads(fwmemtrace.Trace(fwmemtrace.read(folder / "trace.bin").processes).report("json"))
    (load,) = [row for row in report["phases"] if row["path"] == "main/load"]
    (light_load,) = [row for row in light["phases"] if row["path"] == "main/load"]
    assert light_load["native"] is light_load["python_heap"] is None
    assert load["native"]["live_bytes"] >= 80 * MB
    assert load["python_heap"]["delta_bytes"] >= 100 * MB
    assert load["resident"] == light_load["resident"]
    assert report["ledger"] == light["ledger"]
    assert {run["file"]: run["tables"] for run in report["runs"]} == {
        "trace.deep-native.bin": ["native"],
        "trace.deep-python_heap.bin": ["python_heap"],
    }
    assert report["summary"]["next_runs"] == []
    (process,) = report["trace"]["processes"]
    assert str(process["pid"]) == processes(folder)[0]
    assert "trace.deep-native.bin" in done.stdout


def test_runs_of_an_earlier_session_are_not_of_this_trace(
    deep: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder, _ = deep
    assert run(tmp_path).returncode == 3
    for path in folder.glob("trace.deep-*.bin"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert fwmemtrace.read(tmp_path / "trace.bin").deep == []


def test_a_trace_that_is_there_is_kept_and_the_new_runs_are_read(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    assert run(tmp_path).returncode == 3
    before = (tmp_path / "trace.bin").read_bytes()
    done = run(tmp_path, "--deep")
    assert done.returncode == 3
    assert "trace-2.deep-native.bin" in done.stdout
    assert (tmp_path / "trace.bin").read_bytes() == before
    assert len(fwmemtrace.read(tmp_path / "trace-2.bin").deep) == 2


def test_nothing_runs_twice_unasked(tmp_path: Path) -> None:
    assert run(tmp_path, "--report").returncode == 3
    assert len(processes(tmp_path)) == 1


def test_a_program_that_is_not_there_is_an_error_and_an_old_trace_is_not_read(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 3
    command = [sys.executable, "-m", "fwmemtrace", "run", "--deep", "missing.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=untraced_environment(), capture_output=True, text=True, timeout=600, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fwmemtrace: missing.py: no such file\n"


@pytest.mark.parametrize(
    ("options", "probes"),
    [
        ([], ["resident", "imports", "mappings"]),
        (["--probes", "collector"], ["resident", "imports", "mappings", "collector"]),
        (["--only-probes", "collector"], ["resident", "collector"]),
    ],
)
def test_named_probes_are_added_to_the_default_unless_they_are_the_only_ones(
    tmp_path: Path, options: list[str], probes: list[str]
) -> None:
    assert run(tmp_path, *options).returncode == 3
    session = fwmemtrace.read(tmp_path / "trace.bin").processes[0].session()
    assert session is not None
    assert sorted(session.probes) == sorted(probes)
