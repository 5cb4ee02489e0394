"""Sessions of real processes: killed, forked, spawned, started by the environment."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.recording.spawned import _Joining
from fwmemtrace.records import PhaseBegin, PhaseEnd
from programs import run_program

linux = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def run(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_program(folder, code, timeout_s=600, **variables)


def paths(trace: fwmemtrace.Trace, pid: int | None = None) -> list[str]:
    return [row.path for row in trace.phases if row.path and pid in (None, row.pid)]


@linux
def test_the_records_before_a_kill_are_there_and_the_report_names_the_phase(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, signal, fwmemtrace
        from fwmemtrace import phase
        fwmemtrace.start("trace.bin")
        with phase("init"):
            for number in range(1000):
                with phase("step"):
                    pass
            with phase("load"):
                os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    records = list(trace)
    assert sum(isinstance(record, PhaseBegin) for record in records) == 1002
    assert sum(isinstance(record, PhaseEnd) for record in records) == 1000
    summary = trace.summary()
    (process,) = summary.trace.processes
    assert (process.ended, process.last_phase) == ("not closed", "init/load")
    assert not summary.trace.complete
    assert summary.trace.damaged_bytes == 0
    assert "was not closed: its records end in init/load" in trace.report("text", width=300)


def test_a_program_that_never_stops_its_session_leaves_a_closed_trace(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import sys, fwmemtrace
        fwmemtrace.start("trace.bin")
        with fwmemtrace.phase("a"):
            sys.exit(3)
        """,
    )
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert trace.summary().trace.complete
    (row,) = [row for row in trace.phases if row.path]
    assert (row.path, row.error_types) == ("a", {"SystemExit": 1})


@linux
def test_forked_workers_write_traces_of_their_own_that_begin_in_the_phase_of_the_fork(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, fwmemtrace
        from fwmemtrace import phase
        with fwmemtrace.session("trace.bin"), phase("serve"):
            for _ in range(2):
                child = os.fork()
                if not child:
                    with phase("work"):
                        ballast = bytearray(20_000_000)
                    break
                os.waitpid(child, 0)
        """,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("trace.*.bin"))) == 2
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    first, *workers = trace.summary().trace.processes
    assert [worker.parent_pid for worker in workers] == [first.pid] * 2
    assert paths(trace, first.pid) == ["serve"]
    for worker in workers:
        assert worker.ended == "closed"
        assert paths(trace, worker.pid) == ["serve", "serve/work"]
        work = next(row for row in trace.phases if row.pid == worker.pid and row.path == "serve/work")
        assert work.resident is not None
        assert abs(work.resident.delta_bytes - 20_000_000) < 1_000_000


@linux
def test_a_worker_s_worker_is_found_too(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        import os, fwmemtrace
        with fwmemtrace.session("trace.bin"):
            for name in ("child", "grandchild"):
                if os.fork():
                    os.wait()
                    break
                with fwmemtrace.phase(name):
                    pass
        """,
    )
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert sorted(paths(trace)) == ["child", "grandchild"]
    assert len(trace.files) == 3


@pytest.mark.parametrize(
    "method", [pytest.param("fork", marks=linux), "spawn", pytest.param("forkserver", marks=linux)]
)
def test_workers_of_multiprocessing_are_found_by_the_report_and_closed(tmp_path: Path, method: str) -> None:
    done = run(
        tmp_path,
        f"""
        import multiprocessing, fwmemtrace
        from fwmemtrace import phase

        @phase("work")
        def work(number):
            return number * 2

        if __name__ == "__main__":
            with fwmemtrace.session("trace.bin"), phase("serve"):
                with multiprocessing.get_context("{method}").Pool(2) as pool:
                    assert pool.map(work, range(8), chunksize=1) == [2 * number for number in range(8)]
                    pool.close()
                    pool.join()
        """,
    )
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    processes = trace.summary().trace.processes
    assert len(processes) == 3
    assert [process.ended for process in processes] == ["closed"] * 3
    assert sum(row.calls for row in trace.phases if row.path.endswith("work")) == 8


def test_a_program_that_starts_its_session_when_imported_does_so_in_spawned_workers_too(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import multiprocessing, fwmemtrace
        fwmemtrace.start("trace.bin")

        @fwmemtrace.phase("work")
        def work(number):
            return number

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.map(work, range(3))
                pool.close()
                pool.join()
        """,
    )
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert len(trace.summary().trace.processes) == 2
    assert [row.calls for row in trace.phases if row.path == "work"] == [3]


def test_the_environment_starts_a_session(tmp_path: Path) -> None:
    code = """
        from fwmemtrace import phase

        @phase
        def work():
            pass

        work()
        """
    run(tmp_path, code)
    assert not (tmp_path / "trace.bin").exists()
    done = run(tmp_path, code, FWMEMTRACE="trace.bin", FWMEMTRACE_PROBES="resident", FWMEMTRACE_INTERVAL="0")
    assert done.returncode == 0, done.stderr
    assert paths(fwmemtrace.read(tmp_path / "trace.bin")) == ["work"]


def test_a_child_program_does_not_overwrite_the_trace_of_its_parent(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import subprocess, sys
        from fwmemtrace import phase
        child = "from fwmemtrace import phase\\nwith phase('child'): pass"
        with phase("parent"):
            subprocess.run([sys.executable, "-c", child], check=True)
        """,
        FWMEMTRACE="trace.bin",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(paths(fwmemtrace.read(tmp_path / "trace.bin"))) == ["child", "parent"]


def test_a_bad_variable_is_a_warning_that_names_it_and_the_program_runs_untraced(tmp_path: Path) -> None:
    code = "import fwmemtrace\nwith fwmemtrace.phase('a'): print('runs')"
    done = run(tmp_path, code, FWMEMTRACE="trace.bin", FWMEMTRACE_TPO="3")
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("unknown setting 'tpo' in the variable FWMEMTRACE_TPO") == 1
    assert not list(tmp_path.glob("*.bin"))


def test_threads_have_phases_of_their_own(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import threading, fwmemtrace
        from fwmemtrace import phase

        def work():
            for _ in range(200):
                with phase("outer"), phase("inner"):
                    pass

        with fwmemtrace.session("trace.bin"), phase("main"):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        """,
    )
    assert done.returncode == 0, done.stderr
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert {row.path: row.calls for row in trace.phases if row.path} == {"main": 1, "outer": 1600, "outer/inner": 1600}
    assert trace.summary().trace.complete


@linux
def test_recording_goes_on_when_a_full_disk_has_room_again(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, resource, fwmemtrace
        from fwmemtrace import phase
        session = fwmemtrace.start("trace.bin", interval=0)
        with phase("before"): pass
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("trace.bin") + 7, hard))  # stands for a full disk
        while not session.lost_records:
            with phase("during"): pass
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        with phase("after"): print("the program goes on")
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the program goes on\n", "")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert {"before", "after"} <= set(paths(trace)) <= {"before", "during", "after"}
    summary = trace.summary().trace
    assert (summary.lost_records in (1, 2), summary.damaged_bytes, summary.complete) == (True, 0, False)
    assert any(re.match(r"trace file: [12] records? w(as|ere) lost: ", note) for note in summary.notes)


@linux
def test_the_trace_of_a_process_killed_while_the_disk_is_full_says_that_records_were_lost(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, resource, signal, fwmemtrace
        from fwmemtrace import phase
        session = fwmemtrace.start("trace.bin", interval=0)
        with phase("before"): pass
        limit = os.path.getsize("trace.bin")
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        while not session.lost_records:
            with phase("during"): pass
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    assert done.returncode == -signal.SIGKILL
    assert fwmemtrace.read(tmp_path / "trace.bin").summary().trace.lost_records in (1, 2)


@pytest.mark.slow
def test_spawned_workers_of_a_program_that_does_not_import_the_tracer_join_only_while_a_session_is_on(
    tmp_path: Path,
) -> None:
    done = run(
        tmp_path,
        """
        import sys

        def work(number):
            return "fwmemtrace" in sys.modules

        if __name__ == "__main__":
            import fwmemtrace
            with fwmemtrace.session("trace.bin"):
                import multiprocessing
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    assert pool.map(work, [1]) == [True]
            assert not [each for each in sys.meta_path if "fwmemtrace" in type(each).__module__]
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                assert pool.map(work, [1]) == [False]
        """,
    )
    assert done.returncode == 0, done.stderr


def test_a_worker_that_cannot_import_the_tracer_goes_on_without_it() -> None:
    prepared = pickle.dumps(_Joining("FWMEMTRACE_PARENT", "{}"))
    code = f"import pickle, sys; pickle.loads({prepared!r}); assert 'fwmemtrace' not in sys.modules"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


@pytest.mark.slow
@linux
def test_workers_of_a_server_that_an_earlier_session_started_join_the_one_that_is_on(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import multiprocessing, fwmemtrace
        from fwmemtrace import phase
        @phase
        def work(number): return number
        if __name__ == "__main__":
            for name in ("first", "second"):
                with fwmemtrace.session(f"{name}.bin", interval=0):
                    pool = multiprocessing.get_context("forkserver").Pool(1)
                    pool.map(work, range(5))
                    pool.close()
                    pool.join()
        """,
        timeout_s=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("first", "second"):
        trace = fwmemtrace.read(tmp_path / f"{name}.bin")
        assert len(trace.processes) == 2
        assert [row.calls for row in trace.phases if row.path == "work"] == [5]
        assert trace.summary().trace.complete


@linux
@pytest.mark.slow
def test_a_worker_that_cannot_write_is_untraced_and_leaves_the_parents_trace_alone(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, shutil, fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.tracing import active

        os.mkdir("traces")
        fwmemtrace.start("traces/trace.bin")
        os.rename("traces/trace.bin", "trace.bin")
        os.rmdir("traces")
        with phase("parent"):
            child = os.fork()
            if not child:
                with phase("child"):
                    print(active.installed(), flush=True)
                os._exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        """,
    )
    assert (done.returncode, done.stdout) == (0, "None\n")
    assert done.stderr.count("RuntimeWarning") == 1
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert paths(trace) == ["parent"]
    assert not trace.summary().trace.notes


@linux
@pytest.mark.slow
def test_a_program_that_replaces_itself_again_and_again_says_nothing(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, sys
        from fwmemtrace import phase

        number = int(os.environ.get("ROUND", "0"))
        with phase(f"round {number}"):
            if number < 3:
                os.environ["ROUND"] = str(number + 1)
                os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
        """,
        FWMEMTRACE="trace.bin",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(paths(fwmemtrace.read(tmp_path / "trace.bin"))) == [f"round {number}" for number in range(4)]
