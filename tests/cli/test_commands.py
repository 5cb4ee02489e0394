"""The command line, as a shell runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fwmemtrace import core, plugins, read
from fwmemtrace.cli import doctor
from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.system import cgroup
from fwmemtrace.system.cgroup import Group

pytestmark = pytest.mark.slow


def fwmemtrace(*words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fwmemtrace", *words],
        cwd=folder,
        env={**untraced_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def script(folder: Path, text: str, name: str = "program.py") -> str:
    (folder / name).write_text(textwrap.dedent(text))
    return name


PROGRAM = """
    '''What it does.'''
    from __future__ import annotations
    import sys
    from fwmemtrace import phase

    def work():
        with phase("burst"):
            bytearray(40_000_000)

    if __name__ == "__main__":
        with phase("init"):
            kept = bytearray(30_000_000)
        work()
        print(__doc__, __name__, sys.argv, __file__)
    """


@pytest.fixture
def traced(tmp_path: Path) -> Path:
    done = fwmemtrace("run", "--only-probes", "resident", script(tmp_path, PROGRAM), "--flag", "x", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "What it does. __main__ ['program.py', '--flag', 'x'] program.py\n"
    return tmp_path


def test_run_traces_a_script_in_the_phases_import_and_main(traced: Path) -> None:
    done = fwmemtrace("report", "trace.bin", "--format", "json", folder=traced)
    report = json.loads(done.stdout)
    assert [row["path"] for row in report["phases"]] == ["import", "main", "main/init", "main/burst", ""]
    rows = {row["path"]: row["resident"] for row in report["phases"]}
    assert abs(rows["main/init"]["delta_bytes"] - 30_000_000) < 1_000_000
    assert abs(rows["main/burst"]["peak_bytes"] - rows["main/burst"]["before_bytes"] - 40_000_000) < 1_000_000
    (process,) = report["trace"]["processes"]
    outermost = sum(rows[path]["delta_bytes"] for path in ("import", "main"))
    total = process["before_session_bytes"] + outermost + process["outside_phases_bytes"]
    assert total == process["end_bytes"]


def test_the_text_report_fits_the_terminal(traced: Path) -> None:
    for columns in (60, 100, 200):
        done = fwmemtrace("report", "trace.bin", folder=traced, COLUMNS=str(columns))
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert max(map(len, lines)) <= columns
        assert any(line.startswith("main") and "+" in line for line in lines)
        assert any("├ init" in line for line in lines)
        assert "before the session" in done.stdout
        assert "outside any phase" in done.stdout


def test_the_markdown_report_has_its_sections(traced: Path) -> None:
    done = fwmemtrace("report", "trace.bin", "--format", "markdown", "-o", "report.md", folder=traced)
    assert (done.returncode, done.stdout) == (0, "")
    text = (traced / "report.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads[:4] == ["# Memory report", "## Summary", "## Timeline", "## Phases"]


def test_run_can_print_the_report_when_the_program_ends(tmp_path: Path) -> None:
    done = fwmemtrace("run", "--report", "--only-probes", "resident", script(tmp_path, PROGRAM), folder=tmp_path)
    assert done.stdout.startswith("What it does.")
    assert "├ init" in done.stdout


def test_the_report_compares_the_peak_with_a_budget(traced: Path) -> None:
    over = fwmemtrace("report", "trace.bin", "--budget", "20MB", folder=traced, COLUMNS="500")
    assert over.returncode == 0
    assert "exceeds the budget of 20.0 MB" in over.stdout
    kept = fwmemtrace("report", "trace.bin", "--budget", "2GB", folder=traced, COLUMNS="500")
    assert "is within the budget of 2.00 GB" in kept.stdout


def test_check_exits_with_1_if_a_limit_is_exceeded(traced: Path) -> None:
    good = fwmemtrace("check", "trace.bin", "--budget", "2GB", "--phase", "main/init=1GB", folder=traced)
    assert (good.returncode, good.stdout) == (0, "OK: within limits\n")
    bad = fwmemtrace("check", "trace.bin", "--budget", "30MB", "--phase", "main/init=20MB", folder=traced)
    assert bad.returncode == 1
    exceeded = [line.partition(" exceeds ") for line in bad.stdout.splitlines() if not line.startswith(" ")]
    assert [re.sub(r"\d+", "1", start) for start, _, _ in exceeded] == [
        "process 1: peak RSS 1.1 MB",
        "phase main/init (process 1): peak RSS 1.1 MB",
    ]


def test_a_module_runs_as_it_does_under_the_interpreter(tmp_path: Path) -> None:
    package = tmp_path / "service"
    package.mkdir()
    (package / "__init__.py").write_text("loaded = True\n")
    script(
        package, "from . import loaded\nimport sys\nprint(loaded, __name__, __package__, sys.argv[1:])\n", "__main__.py"
    )
    done = fwmemtrace("run", "--only-probes", "resident", "-m", "service", "a", "-m", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "True __main__ service ['a', '-m']\n"), done.stderr


@pytest.mark.parametrize(
    ("text", "status", "stderr"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no good')", 1, "no good\n"),
        ("import sys; sys.exit()", 0, ""),
        ("x = 1\nraise ValueError('x')", 1, None),
    ],
)
def test_the_exit_status_is_the_program_s_and_the_trace_is_complete(
    tmp_path: Path, text: str, status: int, stderr: str | None
) -> None:
    done = fwmemtrace("run", "-q", "--only-probes", "resident", script(tmp_path, text), folder=tmp_path)
    assert done.returncode == status
    if stderr is not None:
        assert done.stderr == stderr
    else:
        lines = done.stderr.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1] == "ValueError: x"
        assert "fwmemtrace" not in done.stderr
    report = json.loads(fwmemtrace("report", "trace.bin", "--format", "json", folder=tmp_path).stdout)
    assert report["trace"]["complete"]


@pytest.mark.slow
def test_run_tells_where_the_trace_is_and_replaces_one_only_with_force(tmp_path: Path) -> None:
    program = script(tmp_path, "from fwmemtrace import phase\nwith phase('one'): pass")
    run = ("run", "--only-probes", "resident")
    first = fwmemtrace(*run, program, folder=tmp_path)
    assert first.stderr == "fwmemtrace: the trace is in trace.bin; to read it: fwmemtrace report trace.bin\n"
    before = (tmp_path / "trace.bin").read_bytes()
    second = fwmemtrace(*run, "--report", program, folder=tmp_path)
    assert second.stderr.endswith("fwmemtrace: the trace is in trace-2.bin\n")
    assert (tmp_path / "trace.bin").read_bytes() == before
    third = fwmemtrace(*run, "-f", "-q", "--interval", "0", program, folder=tmp_path)
    assert (third.stdout, third.stderr) == ("", "")
    assert (tmp_path / "trace.bin").read_bytes() != before
    assert not (tmp_path / "trace-3.bin").exists()
    session = read(tmp_path / "trace.bin").processes[0].session()
    assert session is not None
    assert session.settings["interval"] == "0"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no folder that is in use")
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("os.chdir('/')", "fwmemtrace: the trace is in trace.bin; to read it: fwmemtrace report trace.bin\n"),
        (
            "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
            "fwmemtrace: the trace is in trace.bin; to read it: fwmemtrace report trace.bin\n",
        ),
        ("sys.stderr = None", ""),
        ("os.dup2(os.open(os.devnull, os.O_RDONLY), 2)", ""),
    ],
)
def test_the_program_may_change_its_folder_or_close_stderr(tmp_path: Path, program: str, told: str) -> None:
    run = ("run", "--only-probes", "resident", script(tmp_path, f"import os, sys\n{program}"))
    done = fwmemtrace(*run, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", told)


@pytest.mark.slow
def test_code_runs_as_it_does_under_the_interpreter(tmp_path: Path) -> None:
    code = "import sys; print(sys.argv, sys.path[0] == '', __name__, '__file__' in globals())"
    command = [sys.executable, "-c", code, "a", "-c"]
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    done = fwmemtrace("run", "--only-probes", "resident", "-c", code, "a", "-c", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert {row.path for row in read(tmp_path / "trace.bin").phases} >= {"import", "main"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_program_leaves_its_trace(tmp_path: Path) -> None:
    text = (
        "import os, signal\nfrom fwmemtrace import phase\nwith phase('load'):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = fwmemtrace("run", "--only-probes", "resident", script(tmp_path, text), folder=tmp_path)
    assert done.returncode == -signal.SIGKILL
    report = json.loads(fwmemtrace("report", "trace.bin", "--format", "json", folder=tmp_path).stdout)
    (process,) = report["trace"]["processes"]
    assert (process["ended"], process["last_phase"]) == ("not closed", "main/load")


TERMINATED = """
    import os, signal, sys
    from fwmemtrace import phase
    {}
    with phase("serve"):
        os.kill(os.getpid(), signal.SIGTERM)
        print("still here")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM handlers")
def test_sigterm_ends_the_program_with_its_trace_complete(tmp_path: Path) -> None:
    done = fwmemtrace("run", script(tmp_path, TERMINATED.format("")), folder=tmp_path)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout == done.stderr == ""
    report = json.loads(fwmemtrace("report", "trace.bin", "--format", "json", folder=tmp_path).stdout)
    (process,) = report["trace"]["processes"]
    assert process["ended"] == "closed"
    assert report["trace"]["complete"]
    assert "main/serve" in {row["path"] for row in report["phases"]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM handlers")
def test_the_program_s_own_sigterm_handler_is_kept(tmp_path: Path) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: print('asked to'))"
    done = fwmemtrace("run", script(tmp_path, TERMINATED.format(handler)), folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["asked to", "still here"]
    report = json.loads(fwmemtrace("report", "trace.bin", "--format", "json", folder=tmp_path).stdout)
    assert report["trace"]["complete"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_sigterm_ends_a_forked_worker_with_its_trace_complete(tmp_path: Path) -> None:
    program = """
        import multiprocessing, os, time
        from fwmemtrace import phase

        def work():
            with phase("work"):
                open("begun", "w").close()
                time.sleep(60)

        if __name__ == "__main__":
            worker = multiprocessing.get_context("fork").Process(target=work)
            worker.start()
            while not os.path.exists("begun"):
                time.sleep(0.01)
            worker.terminate()
            worker.join()
            print(worker.exitcode)
    """
    done = fwmemtrace("run", script(tmp_path, program), folder=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, str(-signal.SIGTERM)), done.stderr
    report = json.loads(fwmemtrace("report", "trace.bin", "--format", "json", folder=tmp_path).stdout)
    assert [process["ended"] for process in report["trace"]["processes"]] == ["closed", "closed"]


def test_a_truncated_trace_is_read_and_the_report_says_so(traced: Path) -> None:
    whole = (traced / "trace.bin").read_bytes()
    (traced / "trace.bin").write_bytes(whole[:-10])
    done = fwmemtrace("report", "trace.bin", folder=traced)
    assert done.returncode == 0
    assert "bytes of the trace are damaged" in done.stdout
    assert "not closed" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["report", "nothing.bin"], "nothing.bin: no such file"),
        (["report", "empty.bin"], "empty"),
        (["report", "folder"], "is a folder"),
        (["report", "text.txt"], "text.txt is not a fwmemtrace trace"),
        (
            ["report", "trace.bin", "--format", "paper"],
            "unknown report 'paper'; choose from text, markdown, html, json",
        ),
        (["report", "trace.bin", "--budget", "much"], "'much' is not a size, such as 300MB"),
        (["report", "trace.bin", "-o", "no/such/folder"], "no/such/folder cannot be written"),
        (["report", "--phase", "main/inti"], "unknown phase 'main/inti'; did you mean 'main/init'?"),
        (["report", "--sort", "size"], "unknown key 'size' in --sort; choose from change, peak, native, calls, time"),
        (["report", "--depth", "0"], "--depth 0: must be at least 1"),
        (["report", "--min", "5"], "5: missing unit, for example 5MB"),
        (["report", "--budgt", "5MB"], "unknown option '--budgt'; did you mean '--budget'?"),
        (["check", "--nonsense"], "unknown option '--nonsense'; see fwmemtrace check --help"),
        (["report", "trace.bin", "--native", "capture.bin"], "a trace and --native exclude each other"),
        (["report", "trace.bin", "--top", "many"], "argument --top: invalid int value: 'many'; see fwmemtrace report"),
        (["check", "trace.bin"], "no limit to check; give --budget SIZE, --phase PATH=SIZE, "),
        (["check", "trace.bin", "--phase", "init"], "--phase init: not PATH=SIZE, for example init/load=200MB"),
        (
            ["check", "trace.bin", "--phase", "main/inti=1MB"],
            "--phase main/inti=1MB: unknown phase 'main/inti'; did you mean",
        ),
        (["imports", "json", "--format", "jsno"], "unknown format 'jsno'; did you mean 'json'?"),
        (["run", "nothing.py"], "nothing.py: no such file"),
        (["run", "folder"], "folder is a folder; give a script, or -m and a module"),
        (["run", "text.txt"], "text.txt is not valid Python: "),
        (["run", "-m", "no_such_module"], "no module named no_such_module"),
        (["run", "-m", "no.such.module"], "cannot import no.such.module"),
        (["run", "-c", "x = ("], "<string> is not valid Python: "),
        (["run", "--interval", "often", "program.py"], "'often'"),
        (["run", "-m", "math"], "math has no Python source; run can trace only modules with source"),
        (["run", "--probes", "rezident", "program.py"], "unknown probe 'rezident'; did you mean 'resident'?"),
        (["run", "-o", "no/such/folder/trace.bin", "program.py"], "no/such/folder/trace.bin cannot be written"),
        (["export", "trace.bin", "--to", "wishes"], "unknown exporter 'wishes'; choose from memray, dot, speedscope"),
        (["reprot", "trace.bin"], "unknown command 'reprot'; did you mean 'report'?"),
        (["dance"], "unknown command 'dance'; choose from run, report, top"),
        ([], "the following arguments are required: COMMAND; see fwmemtrace --help"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(traced: Path, words: list[str], message: str) -> None:
    (traced / "empty.bin").touch()
    (traced / "folder").mkdir()
    (traced / "text.txt").write_text("hello world, this is no trace")
    done = fwmemtrace(*words, folder=traced)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("fwmemtrace: ")
    assert message in done.stderr


def test_doctor_starts_every_probe(tmp_path: Path) -> None:
    done = fwmemtrace("doctor", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: line.split(maxsplit=1)[1] for line in done.stdout.splitlines()[1:] if line.strip()}
    assert {"resident", "python_heap", "native", "objects"} <= set(found)
    if sys.platform == "linux":
        assert {found[name] for name in plugins.names("fwmemtrace.probes") if name != "heap"} == {"works"}
        compiled, reason = core.load()
        assert f"compiled core: {'in use' if compiled else reason}" in done.stdout.splitlines()
        assert ("works" in found["heap"]) == (compiled is not None)
    assert done.stdout.splitlines()[-1].startswith("suite --memory-limit: ")


def test_doctor_reports_the_tightest_memory_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    around = [Group("/outer/own", str(tmp_path / "own")), Group("/outer", str(tmp_path))]
    monkeypatch.setattr(cgroup, "memory_groups", lambda: cgroup.counting(around))
    assert doctor.memory_limit() == "unknown, there is no control group that counts memory"
    for group, limit in zip(around, ["max", "150000000"], strict=True):
        Path(group.folder).mkdir(exist_ok=True)
        (Path(group.folder) / "memory.current").write_text("5\n")
        (Path(group.folder) / "memory.max").write_text(f"{limit}\n")
    assert doctor.memory_limit() == "150.0 MB, set by an outer control group /outer"
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor.memory_limit() == "none"


def test_the_reader_of_the_output_may_stop_early(traced: Path) -> None:
    command = f"{sys.executable} -m fwmemtrace report trace.bin | head -1"
    done = subprocess.run(command, shell=True, cwd=traced, capture_output=True, text=True, check=True)
    assert done.stderr == ""
