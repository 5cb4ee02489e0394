"""The `native` probe under debug hooks of Python's allocators, and in programs with profile functions of their own."""

from __future__ import annotations

import sys
import threading

import pytest

import fwmemtrace
from fwmemtrace import errors, phase
from fwmemtrace.cli import main

from .conftest import ARENA, arenas, summary_of

memray = pytest.importorskip("memray")
pytestmark = pytest.mark.slow

PROGRAM = """
import fwmemtrace
from fwmemtrace import phase
settings = dict(probes=["native"], required=["native"], interval=0)  # the timeline has objects of its own
with fwmemtrace.session("trace.bin", **settings, python_allocators={allocators}):
    with phase("a"):
        one = bytes(5_000_000)
    with phase("b"):
        many = [bytearray(2000) for _ in range(1000)]
        with phase("c"), phase("c"), phase("c"):
            inner = bytes(3_000_000)
"""


@pytest.mark.parametrize("allocators", [False, True])
@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["-X", "dev"], {}),
        ([], {"PYTHONMALLOC": "debug"}),
        ([], {"PYTHONMALLOC": "malloc_debug"}),
        ([], {"PYTHONMALLOC": "pymalloc_debug"}),
        ([], {"PYTHONMALLOC": "malloc"}),
    ],
)
def test_phases_have_their_bytes_under_debug_allocators(run, tmp_path, arguments, environ, allocators):
    run(PROGRAM.format(allocators=allocators), *arguments, **environ)
    summary = summary_of(tmp_path / "trace.bin")
    rows = summary.rows
    assert summary.calls == {"a": 1, "b": 1, "b/c": 1, "b/c/c": 1, "b/c/c/c": 1}
    assert 5_000_000 <= rows["a"].live_bytes < 5_050_000 + arenas(rows)
    assert 2_000_000 <= rows["b"].live_bytes < 2_200_000 + ARENA  # on the same line, so that it is no site of its own
    assert 3_000_000 <= rows["b/c/c/c"].live_bytes < 3_050_000 + arenas(rows)


def test_phases_beyond_the_number_of_sizes_are_told_apart_under_debug_allocators(run, tmp_path):
    run(
        """
import threading, fwmemtrace
from fwmemtrace import phase
kept = []
everyone = threading.Barrier(40)
def work(number):
    with phase("request"):
        everyone.wait()
        kept.append(bytes(100_000 + number))
        everyone.wait()
with fwmemtrace.session("trace.bin", probes=["native"]):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
""",
        *("-X", "dev"),
    )
    summary = summary_of(tmp_path / "trace.bin")
    assert summary.calls == {"request": 40}
    assert summary.rows["request"].ambient_bytes == 0
    assert summary.rows["request"].live_bytes >= sum(100_000 + number for number in range(40))


@pytest.fixture
def profiled():
    """Provide a list of the events that a profile function of the program gets, and clean up."""
    yield []
    sys.setprofile(None)
    threading.setprofile(None)


def test_the_program_keeps_its_profile_function(tmp_path, profiled):
    def profile(*event):
        profiled.append(event)

    sys.setprofile(profile)
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("a"):
            kept = bytes(5_000_000)
    assert sys.getprofile() is profile
    sys.setprofile(None)
    assert summary_of(tmp_path / "trace.bin").rows["a"].live_bytes >= len(kept)


def test_the_program_keeps_its_profile_function_for_threads(tmp_path, profiled):
    def profile(*event):
        profiled.append(event)

    def work():
        with phase("a"):
            kept.append(bytes(5_000_000))

    kept = []
    threading.setprofile(profile)
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert sys.getprofile() is None  # this thread had none
    assert threading.getprofile() is profile
    threading.setprofile(None)
    assert summary_of(tmp_path / "trace.bin").rows["a"].live_bytes >= len(kept[0])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the timeline's thread
def test_a_profile_function_for_threads_that_raises_does_not_stop_the_probe(tmp_path, profiled):
    def profile():
        """Take no argument, so that every event raises."""

    threading.setprofile(profile)
    try:
        session = fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], required=["native"])
    finally:
        threading.setprofile(None)
    with session, phase("a"):
        kept = bytes(5_000_000)
    assert summary_of(tmp_path / "trace.bin").rows["a"].live_bytes >= len(kept)


def test_a_tracker_that_does_not_start_makes_the_probe_unavailable(tmp_path, monkeypatch):
    def refuse(self):
        raise OSError("not here")

    class Refusing(memray.Tracker):
        __enter__ = refuse

    monkeypatch.setattr(memray, "Tracker", Refusing)
    with pytest.raises(errors.ProbeUnavailable, match="cannot start"):
        fwmemtrace.session(tmp_path / "trace.bin", probes=["native"], required=["native"])


def test_a_program_that_has_tracemalloc_on_gets_a_note(run, tmp_path):
    run(
        "import fwmemtrace\n"
        "with fwmemtrace.session('trace.bin', probes=['native']), fwmemtrace.phase('a'):\n"
        "    kept = bytes(5_000_000)\n",
        *("-X", "tracemalloc"),
    )
    notes = fwmemtrace.read(tmp_path / "trace.bin").summary().trace.notes
    assert [note for note in notes if "tracemalloc is on" in note]


def test_run_refuses_native_with_python_heap_before_the_program_runs(tmp_path, capsys):
    (tmp_path / "program.py").write_text("raise AssertionError")
    trace, program = tmp_path / "trace.bin", tmp_path / "program.py"
    assert main(["run", "-o", str(trace), "--probes", "native,python_heap", str(program)]) == 2
    assert "cannot run together" in capsys.readouterr().err
    assert not trace.exists()
