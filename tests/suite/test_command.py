"""The command `suite`: wrong usage, progress, interrupts, and the files that it keeps."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap

import pytest

import fwmemtrace
from fwmemtrace.records import SuiteRun

pytestmark = pytest.mark.slow

SMALL = """
    from fwmemtrace.suite import Component
    components = [Component("small", dict, lambda made, item: item, ["a"], batch=2)]
"""


def suite(*words, folder):
    command = [sys.executable, "-m", "fwmemtrace", "suite", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.py").write_text(textwrap.dedent(SMALL))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "content", "message"),
    [
        (["missing.py"], "", "missing.py: no such file"),
        (
            ["no_such_module_at_all"],
            "",
            "no module named 'no_such_module_at_all'; give a dotted name, or a path ending in .py",
        ),
        (["given.py"], "x = 1", "given.py has no list 'components'; add `components = "),
        (["given.py"], "components = []", "given.py: the list 'components' is empty; add at least one Component"),
        (["given.py"], "1 / 0", "cannot import given.py: ZeroDivisionError"),
        (["given.py"], "import os; os._exit(3)", "importing given.py ended the interpreter with status 3"),
        (["given.py:smal"], SMALL, "unknown component 'smal' in given.py; did you mean 'small'?"),
        (["given.py", "--repeat", "0"], SMALL, "--repeat 0: must be at least 1"),
        (["given.py", "--timeout", "soon"], SMALL, "'soon' is not a duration"),
        (["given.py", "--format", "pdf"], SMALL, "unknown report 'pdf'; choose from text"),
        (
            ["given.py", "-o", "a.bin", "--report-dir", "b"],
            SMALL,
            "-o and --report-dir exclude each other; leave one out",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(tmp_path, words, content, message):
    (tmp_path / "given.py").write_text(textwrap.dedent(content))
    done = suite(*words, folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_suites_that_start_at_once_keep_their_traces_apart(small):
    command = [sys.executable, "-m", "fwmemtrace", "suite", "small.py", "--repeat", "1", "--quick"]
    places = [[], [], ["--report-dir", "kept"], ["--report-dir", "kept"]]
    started = [
        subprocess.Popen([*command, *place], cwd=small, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for place in places
    ]
    for one in started:
        _, errors = one.communicate(timeout=600)
        assert one.returncode == 0, errors
    traces = [small / "suite.bin", small / "suite-2.bin", *(small / "kept").glob("*/trace.bin")]
    assert len(traces) == 4
    for trace in traces:
        runs = [record for record in fwmemtrace.read(trace).files[0] if isinstance(record, SuiteRun)]
        assert [(run.purpose, run.outcome) for run in runs] == [("resident", "ok")]


def test_a_suite_that_cannot_be_read_leaves_no_file(small):
    for words in (["missing.py"], ["missing.py", "--report-dir", "kept"]):
        assert suite(*words, folder=small).returncode == 2
    assert [path.name for path in small.rglob("*") if path.is_file()] == ["small.py"]
    assert list(small.glob("kept/*")) == []


def test_one_component_by_name_against_a_budget(small):
    done = suite("small:small", "--quick", "--repeat", "1", "--budget", "1MB", folder=small)
    assert done.returncode == 1, done.stderr
    assert "exceeds the budget of 1.0 MB by" in " ".join(done.stdout.split())
    assert (small / "suite.bin").exists()


def test_a_second_run_replaces_the_traces_of_the_first(small):
    for _ in range(2):
        done = suite("small.py", "--repeat", "1", folder=small)
        assert done.returncode == 0, done.stderr
        (small / "suite.1.bin").write_bytes(b"another file")
        first = min(small.glob("suite.*.bin"), key=lambda path: len(path.read_bytes()) < 100)
        (small / f"{first.name}.memray").write_bytes(b"left by a killed process")
    (small / "suite.1.bin").unlink()
    assert len(list(small.glob("*.memray"))) == 1
    assert len(list(small.glob("suite.*.bin"))) == 4  # light probes, native, Python heap, use


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_progress_is_shown_if_stderr_is_a_terminal(small):
    terminal, slave = os.openpty()
    command = [sys.executable, "-m", "fwmemtrace", "suite", "small.py", "--repeat", "1"]
    done = subprocess.run(command, cwd=small, stdout=subprocess.PIPE, stderr=slave, timeout=600)
    os.close(slave)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "[1/4] small resident" in shown
    assert "small use" in shown
    assert re.search(r"\[\d/4\] small (native|python), .* so far, about .* left", shown)


SLOW = """
    import os, pathlib, time
    from fwmemtrace.suite import Component

    def wait(made, item):
        pathlib.Path("started").touch()
        while not pathlib.Path("go on").exists():
            time.sleep(0.01)

    def sleep(made, item):
        pathlib.Path("pid").write_text(str(os.getpid()))
        time.sleep(3600)

    components = [Component("quick", dict, wait, ["a"]), Component("slow", dict, sleep, ["a"])]
    components.append(Component("later", dict, sleep, ["a"]))
"""


def recorded_runs(trace):
    return {record.component for record in fwmemtrace.read(trace).files[0] if isinstance(record, SuiteRun)}


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("ends_by", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_its_processes_and_leaves_a_trace(tmp_path, on_signal, wait_until, ends_by):
    number = getattr(signal, ends_by)
    on_signal(signal.SIGINT, signal.SIG_IGN)
    on_signal(number, signal.SIG_DFL)
    (tmp_path / "slow.py").write_text(textwrap.dedent(SLOW))
    command = [sys.executable, "-m", "fwmemtrace", "suite", "slow.py", "--repeat", "1"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until((tmp_path / "started").exists)
    if number != signal.SIGINT:  # its parent ignores SIGINT, so it does too
        running.send_signal(signal.SIGINT)
    (tmp_path / "go on").touch()
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    wait_until(lambda: "quick" in recorded_runs(tmp_path / "suite.bin"))
    running.send_signal(number)
    if number != signal.SIGINT:
        running.send_signal(number)  # as `timeout` does
    output, errors = running.communicate(timeout=600)
    assert running.returncode == 128 + number
    assert "see the results so far with fwmemtrace report" in errors
    assert "Traceback" not in errors
    assert f"Summary\nThe suite was interrupted by {ends_by} after 1 run; still to be measured: RSS" in output
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    components = {found.name: found for found in fwmemtrace.read(tmp_path / "suite.bin").summary().suite.components}
    assert components["quick"].outcome == "ok"
    assert "quick" in output.partition("Component profiles")[2]  # what was measured is reported at once
    assert components["later"].outcome == "not run"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of the size of files")
def test_a_suite_without_room_for_its_traces_stops_and_reports_what_it_has(tmp_path):
    import resource

    limit = 20_000  # of a file, in bytes: as if the disk were full

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    (tmp_path / "many.py").write_text(
        textwrap.dedent("""
        from fwmemtrace.suite import Component

        components = [Component("many", dict, lambda made, item: item, ["a"], batch=10_000)]
        """)
    )
    command = [sys.executable, "-m", "fwmemtrace", "suite", "many.py", "--repeat", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, preexec_fn=no_room)
    assert done.returncode == 2
    assert "fwmemtrace: the traces cannot be written: no room for" in done.stderr
    assert "Summary\nThe suite stopped after" in done.stdout


def test_each_run_keeps_its_report_and_trace_in_a_dated_folder(small):
    done = suite("small.py", "--quick", "--repeat", "1", "--report-dir", "reports", folder=small)
    assert done.returncode == 0, done.stderr
    (kept,) = (small / "reports").iterdir()
    assert kept.name.endswith("-small")
    assert "## Summary" in (kept / "report.md").read_text()
    assert (kept / "trace.bin").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends a process with its parent")
def test_no_process_outlives_a_suite_that_is_killed(tmp_path, wait_until):
    (tmp_path / "slow.py").write_text(textwrap.dedent(SLOW))
    (tmp_path / "go on").touch()
    command = [sys.executable, "-m", "fwmemtrace", "suite", "slow.py:slow", "--repeat", "1"]
    running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    running.kill()
    running.wait()
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not alive(pid))


def alive(pid):
    """Whether a process still runs; one that has ended and is not yet waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_passes_and_components_can_be_left_out(tmp_path):
    (tmp_path / "two.py").write_text(
        textwrap.dedent(SMALL)
        + 'components.append(Component("other", dict, lambda made, item: item, ["a"], batch=2))\n'
    )
    done = suite("two.py", "--only", "other", "--skip", "native,python", "--repeat", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    runs = [record for record in fwmemtrace.read(tmp_path / "suite.bin").files[0] if isinstance(record, SuiteRun)]
    assert {record.component for record in runs} == {"other"}
    assert {record.purpose for record in runs} == {"resident", "use"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["small.py", "--skip", "nativ"], "--skip: unknown pass 'nativ'; did you mean 'native'?"),
        (["small.py", "--only", "smal"], "unknown component 'smal'; did you mean 'small'?"),
        (["small.py", "--against", "no/LAST"], "no: no run of a suite there; keep runs with --report-dir no"),
        ([], "missing suite; give its file, or --init PACKAGE"),
        (["--init", "no_such_package"], "no module named 'no_such_package'"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(small, words, message):
    done = suite(*words, folder=small)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
