"""Commands whose parent ignores SIGINT, as nohup, a shell's background jobs and some CI runners do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.cli import main, output

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
SOURCE = Path(fwmemtrace.__file__).parent.parent
Until: TypeAlias = Callable[[Callable[[], object]], None]
OnSignal: TypeAlias = Callable[[int, Any], None]

INTERRUPTED = """
import os, signal
print(signal.getsignal(signal.SIGINT))
os.kill(os.getpid(), signal.SIGINT)
print("still here")
"""


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def ignored(on_signal: OnSignal) -> None:
    on_signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(INTERRUPTED)
    return tmp_path


@pytest.mark.usefixtures("ignored")
def test_run_leaves_a_program_the_signals_that_python_would(program: Path) -> None:
    plain = start(program, "program.py").communicate(timeout=600)
    traced = start(program, "-m", "fwmemtrace", "run", "-q", "program.py")
    assert traced.communicate(timeout=600) == plain
    assert "still here" in plain[0]
    assert traced.returncode == 0
    assert fwmemtrace.read(program / "trace.bin").summary().trace.complete


def test_run_lets_an_interrupt_end_a_program(program: Path, on_signal: OnSignal) -> None:
    on_signal(signal.SIGINT, signal.default_int_handler)
    traced = start(program, "-m", "fwmemtrace", "run", "-q", "program.py")
    printed, errors = traced.communicate(timeout=600)
    assert "default_int_handler" in printed
    assert "still here" not in printed
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert traced.returncode == 130
    assert fwmemtrace.read(program / "trace.bin").summary().trace.complete


@pytest.mark.usefixtures("ignored")
def test_run_completes_the_trace_at_sigterm(tmp_path: Path, on_signal: OnSignal) -> None:
    on_signal(signal.SIGTERM, signal.SIG_DFL)
    (tmp_path / "program.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)")
    traced = start(tmp_path, "-m", "fwmemtrace", "run", "program.py")
    traced.communicate(timeout=600)
    assert traced.returncode == -signal.SIGTERM
    assert fwmemtrace.read(tmp_path / "trace.bin").summary().trace.complete


@pytest.mark.slow
@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_report_reads_a_capture_to_its_end_unless_it_is_interrupted(
    tmp_path: Path,
    on_signal: OnSignal,
    handler: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("memray")
    on_signal(signal.SIGINT, handler)
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]), phase("many"):
        for _ in range(30_000):
            bytearray(5000)

    @contextmanager
    def progress() -> Iterator[Callable[[int, int], None]]:
        def interrupt(done: int, total: int) -> None:
            if done > total // 2:
                os.kill(os.getpid(), signal.SIGINT)

        yield interrupt

    monkeypatch.setattr(output, "progress", progress)
    assert main(["report", str(tmp_path / "trace.bin"), "--format", "json"]) == 0
    assert ("interrupted after" in capsys.readouterr().out) == (handler is not signal.SIG_IGN)


def test_a_report_that_is_interrupted_elsewhere_ends_without_a_traceback(
    tmp_path: Path, on_signal: OnSignal, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_signal(signal.SIGINT, signal.default_int_handler)
    with fwmemtrace.session(tmp_path / "trace.bin"):
        pass
    monkeypatch.setattr(output, "write", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert main(["report", str(tmp_path / "trace.bin")]) == 130


@pytest.mark.slow
@pytest.mark.usefixtures("ignored")
def test_imports_goes_on_after_an_interrupt_that_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "fw_interrupted.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)")
    done = start(tmp_path, "-m", "fwmemtrace", "imports", "fw_interrupted")
    printed, errors = done.communicate(timeout=600)
    assert (done.returncode, errors) == (0, "")
    assert printed.startswith("Importing fw_interrupted adds")


@pytest.mark.slow
@pytest.mark.usefixtures("ignored")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_imports_ends_with_its_process_and_leaves_no_file(
    tmp_path: Path, on_signal: OnSignal, wait_until: Until, name: str
) -> None:
    number = getattr(signal, name)
    on_signal(number, signal.SIG_DFL)
    (tmp_path / "fw_slow.py").write_text(
        textwrap.dedent("""
        import os, pathlib, time
        pathlib.Path("writing").write_text(str(os.getpid()))
        os.rename("writing", "pid")
        time.sleep(3600)
        """)
    )
    (tmp_path / "temporary").mkdir()
    running = start(tmp_path, "-m", "fwmemtrace", "imports", "fw_slow", TMPDIR=str(tmp_path / "temporary"))
    wait_until((tmp_path / "pid").exists)
    assert list((tmp_path / "temporary").iterdir())
    running.send_signal(number)
    printed, errors = running.communicate(timeout=600)
    assert (running.returncode, printed, errors) == (128 + number, "", "")
    assert not list((tmp_path / "temporary").iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.slow
def test_a_signal_that_the_parent_ignores_stays_ignored(tmp_path: Path, on_signal: OnSignal, wait_until: Until) -> None:
    """What nohup is for."""
    (tmp_path / "fw_patient.py").write_text(
        textwrap.dedent("""
        import pathlib, time
        pathlib.Path("started").touch()
        while not pathlib.Path("go on").exists():
            time.sleep(0.01)
        """)
    )
    on_signal(signal.SIGHUP, signal.SIG_IGN)
    running = start(tmp_path, "-m", "fwmemtrace", "imports", "fw_patient")
    wait_until((tmp_path / "started").exists)
    running.send_signal(signal.SIGHUP)
    (tmp_path / "go on").touch()
    assert running.communicate(timeout=600)[0].startswith("Importing fw_patient adds")
    assert running.returncode == 0
