"""The probe python_heap, compared with tracemalloc's own statistics and with blocks of known size."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import threading
import tracemalloc

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.records import Note, PhaseBegin, PythonHeap
from fwmemtrace.sinks.memory import MemorySink

MB = 10**6
# The tracer's own spans, records and ints that live while a phase is open.
SLACK = 20_000


@pytest.fixture(autouse=True)
def _full_free_lists():
    """Fill the lists of freed tuples that the interpreter keeps for reuse, 2,000 of each length.

    A full collection empties them, and one may have run in the test before. Then tuples that are freed while tracing is
    on fill them again, and count as live.
    """
    for length in range(1, 20):
        kept = [tuple([None] * length) for _ in range(2000)]
        del kept


def trace(body, **given):
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["python_heap"], interval=0, detail_share=1, **given):
        body()
    names = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
    heaps = [(names[record.span], record) for record in sink.records if isinstance(record, PythonHeap)]
    return heaps, sink.records


def test_growth_and_its_line():
    kept = []

    def body():
        with phase("grow"):
            kept.append(bytearray(3 * MB))
        with phase("rest"):
            pass

    heaps, _ = trace(body)
    (_, grow), (_, rest) = heaps
    line = body.__code__.co_firstlineno + 2
    assert (grow.top[0].file, grow.top[0].line) == (__file__, line)
    assert grow.top[0].delta_bytes == grow.top[0].size_bytes
    assert 2 <= grow.top[0].delta_count <= 3  # the array, its buffer, and the list that refers to it
    assert 3 * MB <= grow.top[0].delta_bytes < 3 * MB + 500
    assert 3 * MB <= grow.after_bytes - grow.before_bytes < 3 * MB + SLACK
    assert abs(rest.after_bytes - rest.before_bytes) < SLACK
    assert all(row.delta_bytes < SLACK for row in rest.top)
    # It is still the largest, though the phase did not change it.
    assert (rest.largest[0].file, rest.largest[0].line, rest.largest[0].delta_bytes) == (__file__, line, 0)
    assert kept


def test_peaks_belong_to_the_phases_that_were_open():
    def body():
        with phase("outer"):
            with phase("quiet before"):
                pass
            with phase("loud"):
                bytearray(5 * MB)
            with phase("quiet after"):
                pass

    heaps = dict(trace(body)[0])
    for name, low, high in [("outer", 5, 5.1), ("loud", 5, 5.1), ("quiet before", 0, 0.1), ("quiet after", 0, 0.1)]:
        above = heaps[name].peak_bytes - heaps[name].before_bytes
        assert low * MB - 1000 <= above <= high * MB, name
    assert abs(heaps["outer"].after_bytes - heaps["outer"].before_bytes) < SLACK


def test_peaks_of_threads_that_overlap():
    steps = [threading.Barrier(2, timeout=600) for _ in range(3)]

    def one():
        with phase("one"):
            steps[0].wait()
            steps[1].wait()  # meanwhile the other thread allocates
        steps[2].wait()

    def two():
        steps[0].wait()
        with phase("two"):
            bytearray(4 * MB)
        steps[1].wait()
        steps[2].wait()
        with phase("three"):
            pass

    def body():
        threads = [threading.Thread(target=target) for target in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    heaps = dict(trace(body)[0])
    above = {name: heap.peak_bytes - heap.before_bytes for name, heap in heaps.items()}
    assert above["one"] >= 4 * MB - 1000
    assert above["two"] >= 4 * MB - 1000
    assert above["three"] < MB


def test_tasks_have_their_own_phases():
    kept = []

    async def work(size):
        with phase(f"task {size}"):
            await asyncio.sleep(0)
            kept.append(bytearray(size * MB))
            await asyncio.sleep(0)

    async def both():
        await asyncio.gather(work(1), work(2))

    heaps = dict(trace(lambda: asyncio.run(both()))[0])
    # They overlap, so each has both allocations.
    assert heaps["task 1"].peak_bytes - heaps["task 1"].before_bytes >= 3 * MB
    assert heaps["task 2"].peak_bytes - heaps["task 2"].before_bytes >= 3 * MB
    del kept[:]


def test_the_tracer_s_own_files_are_not_listed():
    def body():
        for _ in range(3):
            with phase("a"), phase("b"):
                pass

    heaps, _ = trace(body, top=1000)
    files = {row.file for _, heap in heaps for row in [*heap.top, *heap.largest]}
    assert not [file for file in files if "fwmemtrace" in file and "test" not in file]
    assert "fwmemtrace" not in {row.package for _, heap in heaps for row in heap.packages}


def test_filters_select_files():
    kept = []

    def body():
        with phase("p"):
            kept.append(bytearray(MB))
            exec(compile("kept.append(bytearray(MB))", "/there/generated.py", "exec"), {"kept": kept, "MB": MB})

    both = {row.file for row in dict(trace(body)[0])["p"].top}
    assert {__file__, "/there/generated.py"} <= both
    assert {row.file for row in dict(trace(body, include="/there/*")[0])["p"].top} == {"/there/generated.py"}
    rest = {row.file for row in dict(trace(body, exclude=["*/generated.py"])[0])["p"].top}
    assert __file__ in rest
    assert "/there/generated.py" not in rest


def test_stacks_and_packages():
    kept = []

    def inner():
        kept.append(bytearray(MB))

    def body():
        with phase("p"):
            inner()
            inner()

    heap = dict(trace(body, frames=3)[0])["p"]
    lines = [line for _, line in heap.stacks[0].frames]
    assert lines[0] == inner.__code__.co_firstlineno + 1
    # The two calls are two stacks of one line.
    assert {stack.frames[1][1] for stack in heap.stacks[:2]} == {body.__code__.co_firstlineno + n for n in (2, 3)}
    assert heap.top[0].delta_bytes >= 2 * MB
    assert heap.packages[0].package == __name__.partition(".")[0]
    assert heap.packages[0].delta_bytes >= 2 * MB
    for by_size in (heap.largest_packages, heap.largest_stacks):
        sizes = [row.size_bytes for row in by_size]
        assert sizes == sorted(sizes, reverse=True)
    assert heap.largest_packages[0].size_bytes >= heap.packages[0].size_bytes
    assert {tuple(stack.frames) for stack in heap.stacks[:2]} <= {tuple(stack.frames) for stack in heap.largest_stacks}


def test_loaded_modules_do_not_count_as_growth(monkeypatch):
    """However many there are: the tracer looks through them for their packages while tracing is on."""
    for number in range(10_000):
        monkeypatch.setitem(sys.modules, f"fw_loaded_{number}", None)

    def body():
        with phase("outer"), phase("inner"):
            pass

    outer = dict(trace(body)[0])["outer"]
    assert abs(outer.after_bytes - outer.before_bytes) < SLACK


def test_tracing_that_was_on_stays_on():
    tracemalloc.start(2)
    try:
        mine = bytearray(MB)
        heaps, records = trace(lambda: phase("p").__enter__().__exit__(None, None, None))
        assert tracemalloc.is_tracing()
        assert tracemalloc.get_object_traceback(mine) is not None
        assert tracemalloc.get_traceback_limit() == 2
        assert heaps[0][1].before_bytes >= MB
        assert any(isinstance(record, Note) and "2 frames" in record.message for record in records)
    finally:
        tracemalloc.stop()


def test_tracing_that_was_off_is_off_again():
    trace(lambda: None)
    assert not tracemalloc.is_tracing()


def test_stopping_tracemalloc_is_noted_once():
    def body():
        with phase("p"):
            tracemalloc.stop()
        with phase("q"):
            pass

    heaps, records = trace(body)
    assert heaps == []
    assert len([record for record in records if isinstance(record, Note)]) == 1


def test_a_forked_worker_has_its_own_peaks(tmp_path):
    code = """
        import os, sys, fwmemtrace
        from fwmemtrace import phase
        with fwmemtrace.session(sys.argv[1], sink="jsonl", probes=["python_heap"], interval=0):
            with phase("outer"):
                if os.fork() == 0:
                    with phase("inner"):
                        bytearray(3_000_000)
                    fwmemtrace.stop()
                    os._exit(0)
                os.wait()
    """
    target = tmp_path / "trace.jsonl"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(target)], check=True, timeout=600)
    [worker] = [path for path in tmp_path.iterdir() if path != target]
    heaps = [json.loads(line) for line in worker.read_text().splitlines() if "PythonHeap" in line]
    assert len(heaps) == 1, worker.read_text()
    assert 2_950_000 <= heaps[0]["peak_bytes"] - heaps[0]["before_bytes"] < 3_100_000


@pytest.mark.slow
def test_a_census_does_not_show_in_the_peak():
    kept = [{} for _ in range(200_000)]
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["python_heap", "objects"], interval=0):
        with phase("outer"):
            with phase("inner"):
                pass
            with phase("second"):
                pass
    heaps = [record for record in sink.records if isinstance(record, PythonHeap)]
    assert len(heaps) == 3
    for heap in heaps:
        assert heap.peak_bytes - heap.before_bytes < 100_000
    assert kept
