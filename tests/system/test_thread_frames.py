"""Frames of threads, read where subinterpreters run beside them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from fwmemtrace import core
from fwmemtrace.system.thread_frames import current_frames

has_core = hasattr(core.load()[0], "thread_frames")


@pytest.mark.skipif(not has_core, reason="it is Python's own function without the core")
def test_it_has_the_frames_of_all_threads():
    ready, done = threading.Event(), threading.Event()

    def wait() -> None:
        ready.set()
        done.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    assert ready.wait(30)
    try:
        found = current_frames()
        assert found[threading.get_ident()].f_back is sys._getframe()
        frame = found[thread.ident or 0]
        while frame is not None and frame.f_code is not wait.__code__:
            frame = frame.f_back
        assert frame is not None
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.skipif(
    not has_core or sys.version_info < (3, 12), reason="interpreters share one lock, or there is no core"
)
def test_the_timeline_leaves_interpreters_with_locks_of_their_own_alone(tmp_path):
    program = """
import fwmemtrace
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
with fwmemtrace.session("trace.bin", interval="1ms"):
    for _ in range(10):
        one = interpreters.create()
        interpreters.run_string(one, "kept = [str(number) * 30 for number in range(20_000)]")
        interpreters.destroy(one)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
