"""What depends on the terminal: colours, the pager, the help and completion."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.cli import COMMANDS
from fwmemtrace.recording.child_environment import untraced_environment

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    with fwmemtrace.session(folder / "trace.bin", interval=0):
        for number in range(60):
            with phase(f"phase {number}"):
                pass
    return folder


def run(folder: Path, *words: str, **variables: str) -> str:
    command = [sys.executable, "-m", "fwmemtrace", *words]
    environment = {**untraced_environment(), **variables}
    for name in ("NO_COLOR", "FORCE_COLOR"):
        if name not in variables:
            environment.pop(name, None)
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=True
    ).stdout


def in_a_terminal(folder: Path, *words: str, **variables: str) -> str:
    """Run a command whose stdin and stdout are a terminal of 24 lines, and return what it shows there."""
    ours, theirs = pty.openpty()
    environment = {**untraced_environment(), "TERM": "xterm", "LINES": "24", "COLUMNS": "100", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "fwmemtrace", *words],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            more = b""
        if not more:
            break
        shown += more
    os.close(ours)
    assert process.wait(600) == 0
    return shown.decode()


def test_colours_are_for_terminals_and_variables_decide(folder: Path) -> None:
    words = ("report", "--budget", "1MB", "--depth", "1")
    assert "\x1b" not in run(folder, *words)
    forced = run(folder, *words, FORCE_COLOR="1")
    assert "\x1b[1;31mexceeds the budget\x1b[0m" in forced
    assert "\x1b" not in run(folder, *words, FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b" not in run(folder, *words, NO_COLOR="1")
    run(folder, *words, "-o", "report.txt", FORCE_COLOR="1")
    assert "\x1b" not in (folder / "report.txt").read_text()


def test_a_report_without_a_file_is_of_trace_bin(folder: Path) -> None:
    assert run(folder, "report") == run(folder, "report", "trace.bin")


def test_a_long_report_is_shown_in_a_pager(folder: Path) -> None:
    pager = folder / "pager.py"
    pager.write_text("import sys\nprint('PAGED', len(sys.stdin.read().splitlines()) > 24)\n")
    command = f"{sys.executable} {pager}"
    assert in_a_terminal(folder, "report", PAGER=command).split() == ["PAGED", "True"]
    short = in_a_terminal(folder, "report", "--phase", "phase 3", PAGER=command)
    assert "PAGED" not in short
    assert "\x1b[" in short
    assert "phase 59" in in_a_terminal(folder, "report", PAGER="")
    assert "phase 59" in in_a_terminal(folder, "report", PAGER="no-such-pager")


@pytest.mark.parametrize("command", ["report", "check", "diff", "export"])
def test_help_has_examples_and_defaults(folder: Path, command: str) -> None:
    text = run(folder, command, "--help")
    examples = text[text.index("examples:\n") :].splitlines()[1:]
    assert examples
    assert all(line.startswith(f"  fwmemtrace {command}") for line in examples)
    assert "(default: " in text


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_knows_every_command(folder: Path, shell: str) -> None:
    pytest.importorskip("shtab")
    script = run(folder, "completion", shell)
    assert [command for command in COMMANDS if command not in script] == []
    assert "--output-format" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
