"""The session that the environment asks for begins with the first phase, and no call of another thread is lost."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.recording import first_use
from fwmemtrace.recording.first_use import FirstUse
from programs import run_program


def test_other_threads_wait_for_the_session_and_its_own_phases_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_LONGEST_WAIT_S", 600.0)
    begun, may_go_on = threading.Event(), threading.Event()
    on: list[bool] = []
    seen: list[bool] = []

    def start() -> None:
        begun.set()
        assert may_go_on.wait(600)
        use()  # a finaliser names a phase in the middle of it
        on.append(True)

    def name_a_phase() -> None:
        use()
        seen.append(bool(on))

    use = FirstUse(start)
    threads = [threading.Thread(target=name_a_phase) for _ in range(4)]
    threads[0].start()
    assert begun.wait(600)
    for thread in threads[1:]:
        thread.start()
    may_go_on.set()
    for thread in threads:
        thread.join()
    assert on == [True]
    assert seen == [True] * 4


def test_a_thread_that_the_start_depends_on_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "_LONGEST_WAIT_S", 0.01)
    needed = threading.Event()

    def start() -> None:
        other = threading.Thread(target=lambda: (use(), needed.set()))
        other.start()
        assert needed.wait(600)

    use = FirstUse(start)
    use()


def test_it_is_tried_again_where_a_signal_handler_raises_in_the_middle() -> None:
    raised = [KeyboardInterrupt(), TimeoutError()]
    started = []

    def start() -> None:
        if raised:
            raise raised.pop()
        started.append(True)

    use = FirstUse(start)
    with pytest.raises(TimeoutError):
        use()
    with pytest.raises(KeyboardInterrupt):
        use()
    use()
    use()
    assert started == [True]


@pytest.mark.slow
def test_all_calls_of_all_threads_are_in_the_trace(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import threading
        from fwmemtrace import phase

        ready = threading.Barrier(8)

        def work():
            ready.wait()
            for _ in range(20):
                with phase("request"):
                    pass

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """,
        timeout_s=600,
        FWMEMTRACE="trace.bin",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert fwmemtrace.read(tmp_path / "trace.bin")["request"].calls == 160


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_meanwhile_runs_untraced(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import os, threading
        from fwmemtrace.recording.first_use import FirstUse
        from fwmemtrace.tracing import active, phases

        begun, may_go_on = threading.Event(), threading.Event()
        use = FirstUse(lambda: (begun.set(), may_go_on.wait()))
        active.at_first_use(use)
        thread = threading.Thread(target=use)
        thread.start()
        begun.wait()
        child = os.fork()
        if not child:
            with phases.phase("not traced"):
                os._exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        may_go_on.set()
        thread.join()
        """,
        timeout_s=600,
    )
    assert (done.returncode, done.stdout) == (0, "3\n")  # from 3.12 on, Python warns of forks beside threads
