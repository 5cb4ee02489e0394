"""A trace that is read while it is being written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.trace.live import LiveTrace
from fwmemtrace.tracefile.follow import FollowedFile
from fwmemtrace.tracefile.layout import HEADER
from fwmemtrace.tracefile.reader import open_trace_file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "trace.bin"
    with fwmemtrace.session(path, interval=0):
        for number in range(20):
            with phase(f"phase {number}"):
                pass
    return path.read_bytes()


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=12))
def test_however_it_comes_all_records_are_read_once(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, pieces: list[int]
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "trace.bin"
    path.write_bytes(whole[: HEADER.size])
    followed = FollowedFile(open_trace_file(path))
    read = []
    at = HEADER.size
    for size in [*pieces, len(whole)]:
        with path.open("ab") as file:
            file.write(whole[at : at + size])
        at += size
        read += list(followed.new_records())
    assert read == list(open_trace_file(path))
    assert followed.damaged_bytes == 0
    assert not followed.replaced


def test_damage_in_the_middle_is_counted_and_the_rest_is_read(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    path.write_bytes(whole[: HEADER.size] + b"\xff" * 30 + whole[HEADER.size :])
    followed = FollowedFile(open_trace_file(path))
    assert list(followed.new_records()) == list(open_trace_file(path))
    assert followed.damaged_bytes == 30


def test_a_look_knows_what_happened_by_then(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, interval=0):
        with phase("first"):
            live = LiveTrace(path)
            (row,) = [row for row in live.look().phases if row.path]
            assert (row.path, row.open_calls) == ("first", 1)
            assert not live.ended
        with phase("second"):
            pass
        assert [row.path for row in live.look().phases] == ["first", "second", ""]
    report = live.look()
    assert live.ended
    assert report.phases == fwmemtrace.read(path).summary().phases
    with fwmemtrace.session(path, interval=0, overwrite=True), phase("another session"):
        assert [row.path for row in live.look().phases if row.path] == ["another session"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_that_start_later_are_found(tmp_path: Path, wait_until: Callable[[Callable[[], object]], None]) -> None:
    program = (
        "import os\nimport fwmemtrace\nfrom fwmemtrace import phase\n"
        "with fwmemtrace.session('trace.bin'):\n"
        "    input()\n"
        "    if os.fork() == 0:\n        with phase('child'): os._exit(0)\n"
        "    os.wait()\n    input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, text=True, env=untraced_environment()
    )
    assert process.stdin is not None
    wait_until(lambda: (tmp_path / "trace.bin").exists() and (tmp_path / "trace.bin").stat().st_size > HEADER.size)
    live = LiveTrace(tmp_path / "trace.bin")
    assert len(live.look().trace.processes) == 1
    process.stdin.write("\n")
    process.stdin.flush()
    wait_until(lambda: len(live.look().trace.processes) == 2)
    process.communicate("\n")
    assert [row.path for row in live.look().phases if row.path] == ["child"]


def traced_process(folder: Path) -> subprocess.Popen[str]:
    """Return a process whose session is on, in a phase; a line of input ends both."""
    program = (
        "import sys, fwmemtrace\nfrom fwmemtrace import phase\n"
        "with fwmemtrace.session('trace.bin'), phase('work'):\n    print('ready', flush=True)\n    input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=untraced_environment(),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_a_process_is_told_running_from_gone(tmp_path: Path) -> None:
    process = traced_process(tmp_path)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    for report in (trace.summary(), LiveTrace(tmp_path / "trace.bin").look()):
        assert (report.trace.processes[0].ended, report.trace.processes[0].running) == ("not closed", True)
    assert "It is still running." in trace.report("text", width=300)
    assert "was not closed" not in trace.report("text")
    process.kill()
    process.communicate()
    for report in (trace.summary(), LiveTrace(tmp_path / "trace.bin").look()):
        assert (report.trace.processes[0].ended, report.trace.processes[0].running) == ("not closed", False)
    assert "was not closed: its records end in work" in trace.report("text", width=300)


@pytest.mark.slow
def test_the_application_shows_a_running_session(tmp_path: Path) -> None:
    pytest.importorskip("textual")
    from textual.widgets import DataTable, Static

    from fwmemtrace.cli.top_app import TopApp

    path = tmp_path / "trace.bin"
    name = "odd [red]\x1b[31m<b>"

    async def look() -> None:
        app = TopApp(LiveTrace(path), 1000)
        async with app.run_test(size=(100, 30)) as pilot:
            table = app.query_one("#phases", DataTable)
            assert [str(cell) for cell in table.get_column_at(0)] == ["odd [red]\\x1b[31m<b>", "└ inner"]
            assert "running" in str(app.query_one("#status", Static).content)
            with phase("later"):
                app._look()
            await pilot.press("s")
            assert table.row_count == 3
            await pilot.press("space")
            assert "(paused)" in str(app.query_one("#status", Static).content)
            await pilot.press("q")

    with fwmemtrace.session(path, probes=["mappings"], interval=0):
        with phase(name), phase("inner"):
            pass
        asyncio.run(look())


@pytest.mark.slow
def test_a_long_name_leaves_room_for_the_figures(tmp_path: Path) -> None:
    pytest.importorskip("textual")
    from textual.widgets import DataTable, Static

    from fwmemtrace.cli.top_app import TopApp

    path = tmp_path / "trace.bin"

    async def look() -> None:
        app = TopApp(LiveTrace(path), 1000)
        async with app.run_test(size=(80, 24)):
            for name in ("#phases", "#memory"):
                table = app.query_one(name, DataTable)
                assert sum(column.get_render_width(table) for column in table.columns.values()) <= 78
            assert len(str(app.query_one("#status", Static).content)) < 2 * 78

    with fwmemtrace.session(path, probes=["mappings"], interval=0), phase("x" * 10_000):
        asyncio.run(look())


@pytest.mark.slow
def test_report_follow_ends_with_the_session(tmp_path: Path) -> None:
    process = traced_process(tmp_path)
    follow = subprocess.Popen(
        [sys.executable, "-m", "fwmemtrace", "report", "--follow"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env=untraced_environment(),
    )
    assert follow.stdout is not None
    shown = ""
    while "work" not in shown:
        shown += follow.stdout.readline()
    assert "was not closed" in shown or "work" in shown
    process.communicate("\n")
    rest, _ = follow.communicate(timeout=300)
    assert follow.returncode == 0
    assert "at the end" in rest
