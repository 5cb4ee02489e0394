"""`diff`, as a shell runs it, on traces of real programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fwmemtrace.recording.child_environment import untraced_environment

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
import fwmemtrace
from fwmemtrace import phase
kept = []
with fwmemtrace.session(sys.argv[1], probes=["mappings"]):
    with phase("init"):
        kept.append(bytearray(30_000_000))
        with phase("load <b>"):
            kept.append([str(number) for number in range(50_000)])
            kept.append(bytearray(int(sys.argv[2])))
    for _ in range(20):
        with phase("request"):
            kept.append("x" * 1000)
"""


def fwmemtrace(*words: str, folder: Path, columns: int = 80) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fwmemtrace", *words]
    environment = {**untraced_environment(), "COLUMNS": str(columns)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    for name, size in [("a", 0), ("b", 0), ("c", 0), ("planted", 20_000_000)]:
        command = [sys.executable, "-c", PROGRAM, f"{name}.bin", str(size)]
        subprocess.run(command, cwd=folder, env=untraced_environment(), check=True, timeout=600)
    return folder


def test_two_runs_of_one_program_do_not_differ(traces: Path) -> None:
    done = fwmemtrace("diff", "a.bin", "b.bin", "--fail-above", "2MB", folder=traces)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("No difference beyond noise.")


def test_what_was_planted_comes_first(traces: Path) -> None:
    done = fwmemtrace("diff", "a.bin", "planted.bin", "--format", "json", folder=traces)
    found = json.loads(done.stdout)
    first = found["differences"][0]
    assert (found["format"], first["path"], first["metric"]) == ("fwmemtrace-diff", "init/load <b>", "rss")
    assert abs(first["bytes"]["after"] - first["bytes"]["before"] - 20_000_000) < first["noise_bytes"]
    assert first["kinds"][0]["category"] == "native heap"


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_figure_is_cut(traces: Path, columns: int) -> None:
    done = fwmemtrace("diff", "a.bin", "planted.bin", folder=traces, columns=columns)
    assert max(map(len, done.stdout.splitlines())) <= columns
    cut = [line for line in done.stdout.splitlines() if re.search(r"(\d|[kMG]?B)…", line)]
    assert cut == []
    assert re.search(r"load.*\+(19|20)\.\d MB", done.stdout)


def test_more_runs_of_a_side_measure_the_noise(traces: Path) -> None:
    done = fwmemtrace("diff", "a.bin", "planted.bin", "--before", "b.bin", "--before", "c.bin", folder=traces)
    assert "Noise is measured" in done.stdout
    assert "init/load <b>" in done.stdout.splitlines()[1]


@pytest.mark.parametrize("threshold", ["5%", "5MB"])
def test_growth_fails_a_build(traces: Path, threshold: str) -> None:
    done = fwmemtrace("diff", "a.bin", "planted.bin", "--fail-above", threshold, folder=traces)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("main process, init/load <b> grew by ")
    assert line.endswith(f"more than {threshold}")
    assert fwmemtrace("diff", "planted.bin", "a.bin", "--fail-above", threshold, folder=traces).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fail-above", "5"], "5: missing unit, for example 5MB"),
        (["--fail-above", "x%"], "'x%' is not a percentage, such as 5%"),
        (["--format", "htm"], "unknown format 'htm'; did you mean 'html'?"),
        (["--before", "nothing.bin"], "nothing.bin: no such file"),
    ],
)
def test_wrong_options_are_one_line(traces: Path, words: list[str], message: str) -> None:
    done = fwmemtrace("diff", "a.bin", "b.bin", *words, folder=traces)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"fwmemtrace: {message}\n")


def test_markdown_and_html_have_the_same_parts(traces: Path) -> None:
    markdown = fwmemtrace("diff", "a.bin", "planted.bin", "--format", "markdown", folder=traces).stdout
    assert [line for line in markdown.splitlines() if line.startswith("## ")][:3] == [
        "## Differences",
        "## Processes",
        "## Phases",
    ]
    fwmemtrace("diff", "a.bin", "planted.bin", "--format", "html", "-o", "diff.html", folder=traces)
    page = (traces / "diff.html").read_text()
    assert "load &lt;b&gt;" in page
    assert "<b>" not in page
    assert os.path.getsize(traces / "diff.html") < 1_000_000
