"""`check`, as a build runs it, on a trace of a real program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fwmemtrace.recording.child_environment import untraced_environment

pytestmark = pytest.mark.slow

PROGRAM = """
import os
import sys
import fwmemtrace
from fwmemtrace import phase
kept = []

def load(size):
    kept.append(bytearray(size))

with fwmemtrace.session(sys.argv[1], probes=["mappings"]):
    with phase("init"):
        with phase("load, <100%>: a"):
            load(int(sys.argv[2]))
    for _ in range(60):
        with phase("request"):
            kept.append(os.urandom(500_000))
    if os.fork() == 0:
        with phase("work"):
            load(50_000_000)
        os._exit(0)
    os.wait()
"""
LOAD = "init/load, <100%>: a"


def check(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fwmemtrace", "check", *words],
        cwd=folder,
        env={**untraced_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("check")
    (folder / "program.py").write_text(PROGRAM)
    for name, size in [("trace", 60_000_000), ("baseline", 30_000_000), ("same", 60_000_000)]:
        command = [sys.executable, "program.py", f"{name}.bin", str(size)]
        subprocess.run(command, cwd=folder, env=untraced_environment(), check=True, timeout=600)
    return folder


@pytest.fixture(scope="module")
def pids(traces: Path) -> list[int]:
    done = check(traces, "--budget", "1MB", "--output-format", "json")
    return [one["pid"] for one in json.loads(done.stdout)["checks"]]


def test_each_process_is_checked_and_says_what_holds_most(traces: Path, pids: list[int]) -> None:
    assert len(pids) == 2
    done = check(traces, "--budget", "1MB")
    lines = done.stdout.splitlines()
    heads = [line for line in lines if not line.startswith("  ")]
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in heads] == [f"process {pid}" for pid in pids]
    assert re.fullmatch(r"process \d+: peak RSS 1?\d\d\.\d MB exceeds 1\.0 MB by .* MB \(--budget 1MB\)", heads[0])
    assert any(re.fullmatch(r"  +\d+\.\d MB load \S*program\.py:9", line) for line in lines)
    assert any("malloc: in use" in line for line in lines)


def test_limits_of_phases_and_growth(traces: Path) -> None:
    fine = check(traces, "--budget", "1GB", "--phase", f"{LOAD}=1GB", "--growth", "request=1MB")
    assert (fine.returncode, fine.stdout) == (0, "OK: within limits\n")
    done = check(traces, "--phase", f"{LOAD}=20MB", "--growth", "request=100kB")
    heads = [line for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert done.returncode == 1
    assert heads[0].startswith(f"phase {LOAD} (process ")
    assert re.search(r"phase request \(process \d+\): RSS growth per call [45]\d\d\.\d kB exceeds 100\.0 kB", heads[1])


def test_growth_over_too_few_calls_is_said_not_to_be_judged(traces: Path) -> None:
    done = check(traces, "--growth", "init=1kB")
    assert (done.returncode, done.stdout) == (0, "OK: within limits\n")
    assert done.stderr == "fwmemtrace: init: 1 call is too few to judge its growth\n"


def test_budgets_of_a_project(traces: Path) -> None:
    project = traces / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        "[tool.fwmemtrace]\nprobes = 'native'\n[tool.fwmemtrace.budgets]\nprocess = '1GB'\n"
        f"[tool.fwmemtrace.budgets.phases]\n'{LOAD}' = '20MB'\n'gone' = '1MB'\n"
        "[tool.fwmemtrace.budgets.growth]\nrequest = '10MB'\n"
    )
    done = check(project, "../trace.bin", "--output-format", "json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(one["kind"], one["exceeded"]) for one in report["checks"]] == [
        ("phase", True),
        ("process", False),
        ("process", False),
        ("growth", False),
    ]
    assert report["checks"][0]["source_line"] == 6
    assert done.stderr.startswith("fwmemtrace: no phase 'gone' in ../trace.bin")
    assert check(project, "../trace.bin", "--phase", f"{LOAD}=1GB").returncode == 0
    (project / "pyproject.toml").write_text("[tool.fwmemtrace.budgets]\nprocess = 300\n")
    done = check(project, "../trace.bin")
    assert done.returncode == 2
    assert done.stderr.endswith('process = 300: missing unit, for example "300MB"\n')
    (project / "pyproject.toml").write_text("[tool.fwmemtrace.budgets]\nproces = '300MB'\n")
    assert "unknown budget 'proces'" in check(project, "../trace.bin").stderr


def test_a_baseline(traces: Path) -> None:
    same = check(traces, "trace.bin", "--against", "same.bin")
    assert (same.returncode, same.stdout) == (0, "OK: within limits\n")
    done = check(traces, "trace.bin", "--against", "baseline.bin", "--tolerance", "10%")
    assert done.returncode == 1
    line = rf"^phase {re.escape(LOAD)} \(process \d+\): \d\d\.\d MB, \d\d\.\d MB more than \d\d\.\d MB"
    assert re.search(line, done.stdout, re.MULTILINE), done.stdout
    assert check(traces, "trace.bin", "--against", "baseline.bin", "--tolerance", "40MB").returncode == 0
    assert check(traces, "baseline.bin", "--against", "trace.bin").returncode == 0


def test_junit(traces: Path, pids: list[int]) -> None:
    done = check(traces, "--budget", "1GB", "--phase", f"{LOAD}=20MB", "--output-format", "junit")
    suite = ElementTree.fromstring(done.stdout).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    (failed,) = [case for case in suite if len(case)]
    assert failed.get("name") == f"phase {LOAD} (process {pids[0]}): peak RSS"
    assert "program.py:9" in (failed[0].text or "")


def test_github(traces: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    words = ("--phase", f"{LOAD}=20MB", "--output-format", "github")
    done = check(traces, *words, GITHUB_STEP_SUMMARY=str(summary))
    (line,) = done.stdout.splitlines()
    assert line.startswith("::error file=program.py,line=9,title=Memory budget exceeded::phase init/load, <100%25>: a ")
    assert "%0A" in line
    assert summary.read_text().startswith("# Memory budgets exceeded\n")
    assert "&lt;100%" in summary.read_text() or "\\<100%" in summary.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget", "300"], "--budget 300: 300: missing unit, for example 300MB"),
        (["--phase", f"{LOAD}=20"], f"--phase {LOAD}=20: 20: missing unit, for example 20MB"),
        (["--growth", "reqest=1kB"], "--growth reqest=1kB: unknown phase 'reqest'; did you mean 'request'?"),
        (["--tolerance", "5%"], "--tolerance without a baseline; give one with --against"),
        (["--budget", "1GB", "--output-format", "xml"], "unknown output format 'xml'; choose from text, json,"),
    ],
)
def test_wrong_options_are_one_line(traces: Path, words: list[str], message: str) -> None:
    done = check(traces, *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(f"fwmemtrace: {message}")
