"""A session never harms the program that it is on in: its files, its exceptions, its start, its memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import SinkError, warn
from fwmemtrace.foreign_errors import is_the_programs
from fwmemtrace.probes.base import Probe, ProbeContext
from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.system import descriptors
from programs import run_program

ROOT = Path(__file__).parents[2]
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def run(folder: Path, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run_program(folder, code, timeout_s=120, **variables)


def calls(path: Path) -> dict[str, int]:
    return {row.path: row.calls for row in fwmemtrace.read(path).phases if row.path}


TAKEN = """
    import os, time, fwmemtrace
    from fwmemtrace import phase
    session = fwmemtrace.session("trace.bin", interval="5ms")
    with phase("before"): pass
    mine = {name}
    {take}
    time.sleep(0.05)
    for _ in range(20):
        with phase("after"): pass
    session.stop()
    for index, file in enumerate(mine):
        assert os.pread(file, 100, 0) == b"", (index, os.pread(file, 100, 0))
        os.close(file)
"""
OPEN = '[os.open(f"mine-{i}", os.O_RDWR | os.O_CREAT) for i in range(40)]'


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("name", "take"),
    [
        ("[]", f"os.closerange(3, 1_000_000); mine = {OPEN}"),
        (OPEN, "[os.dup2(mine[0], int(n)) for n in os.listdir('/proc/self/fd') if int(n) > 2 and int(n) not in mine]"),
    ],
    ids=["closed by range", "replaced one by one"],
)
def test_a_program_that_takes_the_descriptors_gets_no_byte_and_is_recorded_on(
    tmp_path: Path, name: str, take: str
) -> None:
    done = run(tmp_path, TAKEN.format(name=name, take=take))
    assert (done.returncode, done.stderr) == (0, "")
    assert calls(tmp_path / "trace.bin") == {"before": 1, "after": 20}


@linux
def test_descriptors_are_high_and_closed_once(tmp_path: Path) -> None:
    number = descriptors.open_marked(str(tmp_path / "file"), os.O_WRONLY | os.O_CREAT)
    lowest = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
    assert number > lowest + 50
    assert descriptors.is_ours(number)
    assert not os.get_inheritable(number)
    os.dup2(lowest, number)  # the program takes the number
    assert not descriptors.is_ours(number)
    descriptors.close(number)
    os.close(number)  # still the program's
    descriptors.close(number)
    os.close(lowest)


@pytest.mark.slow
def test_an_existing_trace_is_kept(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "trace.bin"
    for name in ("first", "second", "third"):
        with fwmemtrace.session(path, interval=0) as session, phase(name):
            pass
    assert session.path == str(tmp_path / "trace-3.bin")
    assert [calls(tmp_path / f"trace{number}.bin") for number in ("", "-2", "-3")] == [
        {"first": 1},
        {"second": 1},
        {"third": 1},
    ]
    assert any("exists already and is kept" in note for note in fwmemtrace.read(session.path).summary().trace.notes)
    assert len(recwarn) == 1
    with fwmemtrace.session(path, interval=0, overwrite=True), phase("again"):
        pass
    assert calls(path) == {"again": 1}


@linux
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("elsewhere", path)])
def test_only_regular_files_are_written(tmp_path: Path, make) -> None:
    path = tmp_path / "trace.bin"
    make(path)
    with pytest.raises(SinkError, match="not a regular file"):
        fwmemtrace.session(path)
    assert not (tmp_path / "elsewhere").exists()


def test_sessions_are_freed() -> None:
    kept = []
    for _ in range(3):
        sink = MemorySink()
        with fwmemtrace.session(sink, interval=0) as session, phase("a"):
            pass
        kept += [weakref.ref(session), weakref.ref(sink)]
    del session, sink
    gc.collect()
    assert [reference() for reference in kept] == [None] * 6


@pytest.mark.slow
@linux
@pytest.mark.parametrize("told", ["by the environment", "by code"])
def test_workers_that_nobody_told_of_each_other_share_a_session(tmp_path: Path, told: str) -> None:
    """As gunicorn's: forked by a process that has not imported the package, restarted, all told the same path."""
    done = run(
        tmp_path,
        """
        import os
        def work(number):
            import fwmemtrace
            from fwmemtrace import phase
            if "FWMEMTRACE" not in os.environ:
                from fwmemtrace.sinks import FanOutSink, MemorySink, TraceFileSink
                fwmemtrace.start(FanOutSink(MemorySink(), TraceFileSink("trace.bin")))
            for _ in range(number):
                with phase("request"): pass
        def fork(number):
            pid = os.fork()
            if pid == 0:
                work(number)
                import atexit
                atexit._run_exitfuncs()
                os._exit(0)
            return pid
        for pid in [fork(10), fork(20), fork(30)]: os.waitpid(pid, 0)
        os.waitpid(fork(40), 0)
        """,
        **({"FWMEMTRACE": "trace.bin"} if told == "by the environment" else {}),
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert len(trace.processes) == 4
    assert sorted(row.calls for row in trace.phases if row.path == "request") == [10, 20, 30, 40]
    assert trace.summary().trace.complete
    assert len({process.session().session_id for process in trace.processes}) == 1


def test_a_program_that_only_reads_writes_no_trace(tmp_path: Path) -> None:
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0), phase("a"):
        pass
    before = (tmp_path / "trace.bin").read_bytes()
    code = "import fwmemtrace; print(len(fwmemtrace.read('trace.bin')))"
    done = run(tmp_path, code, FWMEMTRACE="trace.bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.glob("*.bin")] == ["trace.bin"]
    assert (tmp_path / "trace.bin").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "variables",
    [{"FWMEMTRACE": "missing/trace.bin"}, {"FWMEMTRACE": "trace.bin", "FWMEMTRACE_PROBES": "naitve"}],
    ids=["no folder", "no such probe"],
)
def test_a_session_that_nobody_asked_for_in_code_may_fail(tmp_path: Path, variables: dict[str, str]) -> None:
    code = "import sys; sys.stderr.close()\nfrom fwmemtrace import phase\nwith phase('a'): print('runs')"
    assert run(tmp_path, code, **variables).stdout == "runs\n"
    done = run(tmp_path, code.replace("sys.stderr.close()", ""), **variables)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("this process is not traced") == 1


@pytest.mark.slow
@linux
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_pool_works_on_where_its_workers_cannot_trace(tmp_path: Path, method: str) -> None:
    done = run(
        tmp_path,
        f"""
        import multiprocessing, os, shutil, fwmemtrace
        from fwmemtrace import phase
        @phase
        def double(x): return 2 * x
        if __name__ == "__main__":
            os.mkdir("gone")
            session = fwmemtrace.session("gone/trace.bin", interval=0)
            shutil.rmtree("gone")
            with multiprocessing.get_context("{method}").Pool(2, maxtasksperchild=2) as pool:
                print(pool.map_async(double, range(20)).get(timeout=60)[-1])
            session.stop()
        """,
    )
    assert (done.returncode, done.stdout) == (0, "38\n"), done.stderr


@pytest.mark.slow
@linux
def test_a_child_that_only_starts_another_program_writes_nothing(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, subprocess, fwmemtrace
        from fwmemtrace import phase
        def prepare():
            with phase("prepare"): pass
        with fwmemtrace.session("trace.bin"), phase("main"):
            subprocess.run(["true"], preexec_fn=prepare, check=True)
            assert os.spawnvp(os.P_WAIT, "true", ["true"]) == 0
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.glob("*.bin")] == ["trace.bin"]
    assert calls(tmp_path / "trace.bin") == {"main": 1}


@pytest.mark.slow
@linux
def test_stopping_without_descriptors_raises_nothing(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        """
        import os, resource, fwmemtrace
        from fwmemtrace import phase
        session = fwmemtrace.start("trace.bin", probes=["mappings", "imports"], interval=0)
        with phase("a"): pass
        os.closerange(3, 1_000_000)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        with phase("b"): pass
        session.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        """,
    )
    assert done.returncode == 0, done.stderr


@linux
def test_a_forked_child_forgets_what_the_parents_other_threads_were_doing() -> None:
    from fwmemtrace.tracing import span

    span.changing.add(threading.get_ident() + 1)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(len(span.changing)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    span.changing.clear()
    assert os.read(reader, 9) == b"0"
    os.close(reader)
    os.close(writer)


def test_an_exception_of_a_signal_handler_is_the_programs() -> None:
    import signal

    def handler(*_: object) -> None:
        raise ValueError("too slow")

    before = signal.signal(signal.SIGTERM, handler)
    try:
        signal.raise_signal(signal.SIGTERM)
    except ValueError as error:
        raised = error
    finally:
        signal.signal(signal.SIGTERM, before)
    assert is_the_programs(raised)
    with pytest.raises(ValueError, match="invalid literal") as ours:
        int("x")
    assert not is_the_programs(ours.value)
    assert is_the_programs(KeyboardInterrupt())


@pytest.mark.slow
@linux
def test_a_signal_handler_may_switch_the_session_in_the_middle_of_a_start(tmp_path: Path) -> None:
    """At each module that the first start imports: it is asked to stop before it has begun."""
    done = run(
        tmp_path,
        """
        import signal, sys, fwmemtrace
        def handle(*_):
            try:
                fwmemtrace.start("other.bin")
            except fwmemtrace.SessionError:
                refused.append(True)
            fwmemtrace.snapshot()
            with fwmemtrace.phase("in the handler"): pass
            fwmemtrace.stop()
        class Finder:
            def find_spec(self, name, *_):
                if name.startswith("fwmemtrace"):
                    signal.raise_signal(signal.SIGUSR1)
        refused = []
        signal.signal(signal.SIGUSR1, handle)
        sys.meta_path.insert(0, Finder())
        fwmemtrace.start("trace.bin", interval=0)
        try:
            fwmemtrace.stop()
        except fwmemtrace.SessionError as error:
            print(len(refused) > 10, error)
        with fwmemtrace.session("trace-2.bin", interval=0), fwmemtrace.phase("after"): pass
        """,
    )
    assert not done.stderr, done.stderr
    assert (done.stdout, done.stderr) == ("True no session is on; call fwmemtrace.start() first\n", "")
    assert calls(tmp_path / "trace.bin") == {}
    assert calls(tmp_path / "trace-2.bin") == {"after": 1}
    assert not (tmp_path / "other.bin").exists()


@pytest.mark.parametrize("kind", [TimeoutError, RuntimeError, KeyboardInterrupt, ValueError])
def test_what_a_signal_handler_raises_in_a_start_arrives_and_nothing_stays(tmp_path: Path, kind) -> None:
    import signal

    class Slow(Probe):
        name = "slow"
        is_on = False

        def start(self, context: ProbeContext) -> None:
            self.is_on = True
            signal.raise_signal(signal.SIGTERM)

        def stop(self) -> None:
            self.is_on = False

    def handle(*_: object) -> None:
        raise kind

    probe, before = Slow(), signal.signal(signal.SIGTERM, handle)
    try:
        with pytest.raises(kind):
            fwmemtrace.start(tmp_path / "trace.bin", probes=["imports", probe], interval=0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not probe.is_on
    with pytest.raises(fwmemtrace.SessionError, match="no session is on"):
        fwmemtrace.stop()
    assert gc.isenabled()
    assert fwmemtrace.read(tmp_path / "trace.bin").summary().trace.complete


def test_a_step_of_a_stop_that_a_signal_handler_interrupts_is_taken_anew(tmp_path: Path) -> None:
    import signal

    class Slow(Probe):
        name = "slow"
        is_on = False
        times = 0

        def start(self, context: ProbeContext) -> None:
            self.is_on = True

        def stop(self) -> None:
            self.times += 1
            if self.times == 1:
                signal.raise_signal(signal.SIGTERM)
            self.is_on = False

    def handle(*_: object) -> None:
        raise TimeoutError

    probe, before = Slow(), signal.signal(signal.SIGTERM, handle)
    try:
        session = fwmemtrace.start(tmp_path / "trace.bin", probes=["collector", probe], interval=0)
        with pytest.raises(TimeoutError):
            session.stop()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (probe.is_on, probe.times) == (False, 2)
    assert gc.isenabled()
    assert fwmemtrace.read(tmp_path / "trace.bin").summary().trace.complete
    with fwmemtrace.session(tmp_path / "trace-2.bin", interval=0):
        pass


def test_a_warning_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object, **__: object) -> None:
        raise ValueError("I/O operation on closed file")

    monkeypatch.setattr("warnings.warn", raises)
    warn("nobody sees this")


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    "name",
    [
        "beside",
        "kills",
        "limit_kills",
        "group_kills",
        "native_kills",
        "forked_kills",
        "on_off",
        "soft_exceptions",
        "full_disk",
        "long_run",
        "day",
    ],
)
def test_an_attack_is_withstood(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stress", "--small", name],
        cwd=ROOT,
        env=untraced_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "NOT RUN" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["by code", "by the environment"])
def test_a_subinterpreter_is_refused_and_runs_on(tmp_path: Path, asked: str) -> None:
    inside = """
        import fwmemtrace
        with fwmemtrace.phase("x"):
            try:
                {ask}
            except fwmemtrace.SessionError as error:
                assert "subinterpreters" in str(error)
                open("refused", "w").close()
    """
    by_code = asked == "by code"
    ask = "fwmemtrace.start('t.bin')" if by_code else "raise fwmemtrace.SessionError('subinterpreters')"
    program = """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        run = getattr(interpreters, "exec", None) or interpreters.run_string
        failed = run(interpreters.create(), {inside!r})
        assert not failed, failed
    """
    text = program.format(inside=textwrap.dedent(inside).format(ask=ask))
    done = run(tmp_path, text, **({} if by_code else {"FWMEMTRACE": "t.bin"}))
    if "No module named '_xxsubinterpreters'" in done.stderr:
        pytest.skip("this Python has no module for subinterpreters")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "refused").exists()
    assert not (tmp_path / "t.bin").exists()
    if not by_code:
        assert "not traced: sessions do not work in subinterpreters" in done.stderr


@pytest.mark.slow
def test_a_decorated_function_of_the_main_module_is_pickled_by_value(tmp_path: Path) -> None:
    pytest.importorskip("cloudpickle")
    done = run(
        tmp_path,
        """
        import cloudpickle, pickle, subprocess, sys, fwmemtrace
        from fwmemtrace import phase
        @phase
        def double(x): return 2 * x
        @phase
        def items(x): yield x
        with fwmemtrace.session("trace.bin", interval=0) as session, phase("main"):
            data = cloudpickle.dumps((double, items))
            here, generate = pickle.loads(data)
            assert (here(1), list(generate(1))) == (2, [1])
            elsewhere = "import pickle, sys; f, g = pickle.load(sys.stdin.buffer); print(f(2), *g(3))"
            print(subprocess.run([sys.executable, "-c", elsewhere], input=data, capture_output=True).stdout)
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "b'4 3\\n'\n", "")
    assert calls(tmp_path / "trace.bin") == {"main": 1, "main/double": 1, "main/items": 1}


@pytest.mark.slow
@linux
def test_threads_of_any_name_start_beside_memray(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    done = run(
        tmp_path,
        r"""
        import threading, fwmemtrace

        ran = []
        with fwmemtrace.session("trace.bin", probes=["native"], interval=0):
            for name in ("not \udc80 valid", "\ud800", "fine"):
                thread = threading.Thread(target=lambda: ran.append(threading.current_thread().name), name=name)
                thread.start()
                thread.name += "\udcff"
                thread.join()
                assert thread.name == name + "\udcff"
        assert [name.rstrip("\udcff") for name in ran] == ["not \udc80 valid", "\ud800", "fine"]
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
