"""Production mode: all calls are counted, few are measured, and the trace stays small."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.errors import SettingsError
from fwmemtrace.recording import sampling
from fwmemtrace.recording.sampling import SamplingRecorder
from fwmemtrace.records import PhaseBegin, PhaseEnd, Record, UnmeasuredCalls
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.tracing.span import Span, current, leave, new_span, set_current
from programs import run_program


@phase("request")
def request(fails: bool = False) -> None:
    with phase("parse"):
        pass
    if fails:
        raise ValueError("bad request")


def test_counts_are_exact_and_few_calls_are_measured(tmp_path: Path) -> None:
    path = tmp_path / "trace.bin"
    with fwmemtrace.session(path, mode="production", interval=0):
        for _ in range(1000):
            request()
        for _ in range(50):
            with pytest.raises(ValueError, match="bad request"):
                request(True)
        with phase("once"):
            request()
    trace = fwmemtrace.read(path)
    rows = {row.path: (row.calls, row.errors) for row in trace.phases if row.path}
    assert rows == {
        "request": (1050, 50),
        "request/parse": (1050, 0),
        "once": (1, 0),
        "once/request": (1, 0),
        "once/request/parse": (1, 0),
    }
    assert trace["request"].error_types == {"ValueError": 50}
    measured = trace["request"].calls - trace["request"].unmeasured_calls
    assert 20 <= measured < 100
    assert trace["once"].unmeasured_calls == 0
    assert any("hot phases are sampled" in note for note in trace.summary().trace.notes)


class _Measuring:
    """A recorder that only knows which phases it was told of."""

    def __init__(self) -> None:
        self.begun: list[Span] = []
        self.ended: list[Span] = []

    def begin(self, phase: fwmemtrace.Phase, /) -> Span:
        span = new_span(self, len(self.begun) + 1, phase)
        self.begun.append(span)
        set_current(span)
        return span

    def end(self, span: Span, error: type[BaseException] | None, /) -> None:
        span.closed = True
        self.ended.append(span)
        leave(span)

    def finish(self) -> tuple[int, int, int]:
        return 0, 0, 0


@pytest.mark.parametrize("at", [2, 3, 20, *range(40, 50)])  # the first reading is the constructor's, the 50th of finish
def test_a_signal_handler_that_raises_when_the_clock_is_read_costs_no_edge_and_doubles_none(at: int) -> None:
    readings = 0

    def clock() -> int:
        nonlocal readings
        readings += 1
        if readings == at:
            raise TimeoutError
        return readings

    inner, records = _Measuring(), MemorySink()
    recorder = SamplingRecorder(inner, records.write, 0.01, clock)  # type: ignore[arg-type]
    counted = 0
    for _ in range(24):  # the first 20 are measured
        try:
            span = recorder.begin(phase("request"))
        except TimeoutError:
            continue
        counted += span.tracer is recorder
        try:
            recorder.end(span, None)
        except TimeoutError as error:
            recorder.end(span, type(error))
        assert current.get() is None
    recorder.finish()
    assert inner.begun == inner.ended
    assert sum(record.calls for record in records.records if isinstance(record, UnmeasuredCalls)) == counted


def test_the_thread_that_ticks_writes_the_counts_while_it_runs() -> None:
    now = 0
    sink = MemorySink()
    recorder = SamplingRecorder(_Measuring(), sink.write, 0.0, lambda: now)  # type: ignore[arg-type]

    def counts() -> int:
        return sum(record.calls for record in sink.records if isinstance(record, UnmeasuredCalls))

    def run(calls: int) -> None:
        for _ in range(calls):
            recorder.end(recorder.begin(phase("request")), ValueError)

    run(21)  # these are measured
    recorder.tick()
    now += 90_000_000
    run(3)
    assert counts() == 0  # a signal handler might raise in the middle
    recorder.tick()
    assert counts() == 3
    now += 10_000_000_000  # the other thread does not run any more
    run(5)  # the first of these is measured, too
    assert counts() == 4
    recorder.finish()
    assert counts() == 7
    assert sum(record.errors["ValueError"] for record in sink.records if isinstance(record, UnmeasuredCalls)) == 7


def test_a_pools_worker_writes_its_counts_at_once_while_that_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_is_worker", lambda: True)
    now = 0
    sink = MemorySink()

    def write(record: Record) -> None:
        nonlocal now
        now += 4_000_000
        sink.write(record)

    recorder = SamplingRecorder(_Measuring(), write, 0.01, lambda: now, lambda: now)  # type: ignore[arg-type]

    def counts() -> list[int]:
        return [record.calls for record in sink.records if isinstance(record, UnmeasuredCalls)]

    def run(calls: int) -> None:
        for _ in range(calls):
            request = recorder.begin(phase("request"))
            recorder.end(recorder.begin(phase("inner")), None)
            recorder.end(request, None)

    run(21)  # these are measured
    run(2)
    assert counts() == [1, 1, 1, 1]  # of both phases, each time
    run(50)
    assert 4 < len(counts()) < 20
    recorder.finish()
    assert sum(counts()) == 52 * 2


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_pool_that_kills_its_workers_loses_no_count(tmp_path: Path) -> None:
    done = run_program(
        tmp_path,
        """
        import multiprocessing
        import fwmemtrace
        from fwmemtrace import phase

        @phase("task")
        def task(number):
            return number

        with fwmemtrace.session("trace.bin", mode="production"):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert len(pool.map(task, range(100), chunksize=1)) == 100
        """,
        timeout_s=600,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = fwmemtrace.read(tmp_path / "trace.bin").phases
    assert sum(row.calls for row in rows if row.path == "task") == 100


def test_threads_and_tasks_are_counted_each_in_its_own_phase() -> None:
    async def work(name: str) -> None:
        for _ in range(100):
            with phase(name):
                await asyncio.sleep(0)
                with phase("inner"):
                    await asyncio.sleep(0)

    async def tasks() -> None:
        await asyncio.gather(*(work(f"task {number}") for number in range(5)))

    def thread(name: str) -> None:
        for _ in range(500):
            with phase(name), phase("inner"):
                pass

    sink = MemorySink()
    with fwmemtrace.session(sink, mode="production", interval=0):
        threads = [threading.Thread(target=thread, args=(f"thread {number}",)) for number in range(4)]
        for each in threads:
            each.start()
        asyncio.run(tasks())
        for each in threads:
            each.join()
    names: dict[int, tuple[str, ...]] = {0: ()}
    calls: dict[tuple[str, ...], int] = {}
    for record in sink.records:
        if isinstance(record, PhaseBegin):
            path = names[record.span] = (*names[record.parent], record.name)
            calls[path] = calls.get(path, 0) + 1
        if isinstance(record, UnmeasuredCalls):
            calls[tuple(record.path)] = calls.get(tuple(record.path), 0) + record.calls
    expected = {(f"thread {number}",): 500 for number in range(4)} | {(f"task {number}",): 100 for number in range(5)}
    assert calls == expected | {(*path, "inner"): count for path, count in expected.items()}


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'fast' is not a mode"):
        fwmemtrace.session(MemorySink(), mode="fast")


def test_counts_are_written_as_soon_as_no_phase_ends_any_more() -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, mode="production"):
        for _ in range(100):
            with phase("hot"):
                pass
        deadline = time.monotonic() + 30
        written = 0
        while written < 100 and time.monotonic() < deadline:
            time.sleep(0.01)
            measured = sum(isinstance(record, PhaseEnd) for record in list(sink.records))
            counted = sum(record.calls for record in list(sink.records) if isinstance(record, UnmeasuredCalls))
            written = measured + counted
    assert written == 100
