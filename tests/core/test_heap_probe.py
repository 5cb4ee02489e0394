"""The probe `heap` in real programs: what it finds, who may do what beside it, what a kill leaves."""

from __future__ import annotations

import glob
import os
import re
import sys
from contextvars import Context, ContextVar
from importlib.util import find_spec

import pytest

import fwmemtrace
from fwmemtrace import core, results
from fwmemtrace.units import parse_bytes

MB = 1_000_000


def heap_of(path, phase: str) -> results.Heap:
    heap = fwmemtrace.read(path)[phase].heap
    assert heap is not None
    return heap


def within(figure: float, truth: float, share: float) -> bool:
    return abs(figure - truth) <= share * truth


@pytest.mark.slow
def test_without_the_core_the_probe_says_why_and_the_session_goes_on(monkeypatch, tmp_path):
    monkeypatch.setenv(core.VARIABLE, "0")
    with (
        pytest.warns(RuntimeWarning, match="the probe 'heap' is off: .*FWMEMTRACE_CORE=0"),
        fwmemtrace.session(tmp_path / "trace.bin", probes=["heap"], interval=0),
        fwmemtrace.phase("a"),
    ):
        pass
    assert fwmemtrace.read(tmp_path / "trace.bin")["a"].heap is None


def test_live_and_freed_memory_by_phase_stack_and_library(run_program, tmp_path):
    run_program("""
        import fwmemtrace
        from fwmemtrace import phase

        def keep_small(): return [b"%d" % i * 20 for i in range(150_000)]
        def keep_large(): return [bytearray(100_000) for _ in range(300)]

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="64KiB", interval=0):
            with phase("keep"):
                small = keep_small()
                with phase("inner"):
                    large = keep_large()
            with phase("churn"):
                for _ in range(5000):
                    bytes(10_000)
    """)
    keep, inner, churn = (heap_of(tmp_path / "trace.bin", path) for path in ("keep", "keep/inner", "churn"))
    truth = 150_000 * (20 * 5.9 + 33) + 150_000 * 8
    assert within(keep.live_bytes, truth, 0.2)
    assert keep.live_low_bytes <= keep.live_bytes <= keep.live_high_bytes
    assert within(inner.live_bytes, 30 * MB, 0.05)
    assert within(inner.allocated_bytes, 30 * MB, 0.01)
    assert inner.top[0].stack[0].function == "keep_large" or inner.top[0].stack[1].function == "keep_large"
    assert inner.top[0].library == "CPython"
    assert churn.live_bytes < MB
    assert within(churn.allocated_bytes, 50 * MB, 0.02)
    assert churn.peak_bytes < 5 * MB
    assert {path.name for path in tmp_path.iterdir()} == {"trace.bin"}, "a clean stop moves the tables into the trace"


def test_a_killed_process_leaves_its_heap(run_program, tmp_path):
    run_program(
        """
        import os, signal, fwmemtrace
        from fwmemtrace import phase

        CACHE = []
        def fill(): CACHE.extend(bytearray(50_000) for _ in range(400))

        fwmemtrace.start("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0)
        with phase("request"), phase("embed"):
            fill()
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        status=-9,
    )
    heap = heap_of(tmp_path / "trace.bin", "request/embed")
    assert within(heap.live_bytes, 20 * MB, 0.05)
    assert any(frame.function == "fill" for frame in heap.top[0].stack)
    report = fwmemtrace.read(tmp_path / "trace.bin").report("text")
    assert "The records stop inside request/embed at" in report.replace("\n", " ")


def test_a_forked_child_has_tables_of_its_own(run_program, tmp_path):
    run_program("""
        import os, fwmemtrace
        from fwmemtrace import phase

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0):
            with phase("both"):
                kept = [bytearray(100_000) for _ in range(100)]
                pid = os.fork()
                more = [bytearray(100_000) for _ in range(50 if pid else 200)]
                if pid == 0:
                    kept.clear()
                    fwmemtrace.stop()
                    os._exit(0)
                assert os.waitpid(pid, 0)[1] == 0
    """)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    parent, child = (process["both"].heap for process in trace.processes)
    assert within(parent.live_bytes, 15 * MB, 0.02)
    assert within(child.live_bytes, 20 * MB, 0.02)


@pytest.mark.slow
def test_threads_tasks_signals_and_failing_calls_under_a_tiny_interval(run_program, tmp_path):
    done = run_program(
        """
        import asyncio, gc, mmap, os, signal, subprocess, sys, threading, weakref
        import fwmemtrace
        from fwmemtrace import phase

        kept, dead = [], []
        def work(number):
            with phase(f"thread {number % 3}"):
                for _ in range(300):
                    kept.append([object() for _ in range(20)])
                    kept[-1].append(weakref.ref(threading.current_thread(), lambda _: dead.append(bytes(99))))
        async def task(number):
            with phase(f"task {number}"):
                block = bytearray(200_000)
                await asyncio.sleep(0.001)
                kept.append(block)
        async def tasks():
            await asyncio.gather(*(task(number) for number in range(5)))
        signal.signal(signal.SIGALRM, lambda *_: kept.append(bytearray(1000)))

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes=512, interval=0):
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            [thread.start() for thread in threads]
            asyncio.run(tasks())
            [thread.join() for thread in threads]
            signal.setitimer(signal.ITIMER_REAL, 0)
            with phase("fails"):
                grown = bytearray(1_000_000)
                for size in (2**62, 2**63 - 100):
                    try:
                        bytearray(size)
                        raise SystemExit("it has memory without end")
                    except MemoryError:
                        pass
                    try:
                        grown *= size // len(grown)
                    except MemoryError:
                        pass
                grown *= 2
            with phase("map"):
                whole = mmap.mmap(-1, 4_000_000)
                whole.resize(8_000_000)
            for _ in range(3):
                subprocess.run([sys.executable, "-c", "pass"], check=True)
            gc.collect()
            try:
                def deeper(): deeper()
                deeper()
            except RecursionError:
                pass
        print("done", len(kept))
        """,
    )
    assert done.stdout.startswith("done")
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    for number in range(5):
        assert within(trace[f"task {number}"].heap.live_bytes, 200_000, 0.3)
    assert within(trace["fails"].heap.live_bytes, 2 * MB, 0.05)
    # What it asks for itself is less than 4 MB; the interpreter may map an arena or two of its own meanwhile.
    assert trace["fails"].heap.allocated_bytes < 4 * MB + 2 * 2**20, "failed calls count for nothing"
    assert within(trace["map"].heap.live_bytes, 8 * MB, 0.05)
    assert not trace.report("json").count("samples are missing")


@pytest.mark.slow
def test_other_tools_keep_working_and_the_program_gets_its_allocators_back(run_program):
    run_program("""
        import tracemalloc, fwmemtrace
        for order in range(3):
            fwmemtrace.start(f"{order}.bin", probes=["heap"], interval=0)
            tracemalloc.start()
            kept = [bytearray(1000) for _ in range(1000)]
            if order == 1:
                fwmemtrace.stop()
            assert tracemalloc.get_traced_memory()[0] >= 1_000_000
            tracemalloc.stop()
            if order != 1:
                fwmemtrace.stop()
            del kept
        for number in range(20):
            with fwmemtrace.session("again.bin", probes=["heap"], sample_bytes=1000, interval=0):
                with fwmemtrace.phase("a"):
                    kept = [bytearray(1000) for _ in range(1000)]
            heap = fwmemtrace.read("again.bin")["a"].heap
            assert 0.95e6 < heap.live_bytes < 1.15e6, heap.live_bytes
    """)


@pytest.mark.slow
@pytest.mark.parametrize("allocator", ["malloc", "debug", "malloc_debug", "pymalloc"])
def test_no_block_counts_twice_under_any_allocator_of_python(run_program, tmp_path, allocator):
    run_program(
        """
        import fwmemtrace
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes=4096, interval=0):
            with fwmemtrace.phase("a"):
                kept = [bytes(200) for _ in range(50_000)]
        """,
        PYTHONMALLOC=allocator,
    )
    heap = heap_of(tmp_path / "trace.bin", "a")
    overhead = 33 + (24 if "debug" in allocator else 0)
    assert 50_000 * 233 * 0.9 <= heap.live_bytes <= 50_000 * (200 + overhead + 8) * 1.1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a control group or a limit of the kernel")
def test_where_the_file_cannot_be_made_the_tables_are_kept_in_memory(run_program, tmp_path):
    run_program("""
        import os, fwmemtrace, warnings
        os.mkdir("trace.bin.heap")
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0):
            with fwmemtrace.phase("a"):
                kept = [bytearray(100_000) for _ in range(100)]
    """)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    (tmp_path / "trace.bin.heap").rmdir()
    assert within(fwmemtrace.read(tmp_path / "trace.bin")["a"].heap.live_bytes, 10 * MB, 0.05)
    assert any("a kill loses it" in note for note in trace.report("json").splitlines())


@pytest.mark.slow
def test_what_short_threads_allocate_after_their_last_sample_counts(run_program, tmp_path):
    run_program("""
        import threading, fwmemtrace

        def work():
            for _ in range(20):
                bytearray(5000)

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="1MiB", interval=0), fwmemtrace.phase("a"):
            for _ in range(200):
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
    """)
    assert 15 * MB < heap_of(tmp_path / "trace.bin", "a").allocated_bytes < 25 * MB  # the last threads may end later


@pytest.mark.slow
def test_a_full_disk_costs_samples_and_a_note_but_not_the_program(run_program, tmp_path):
    done = run_program("""
        import resource, fwmemtrace
        resource.setrlimit(resource.RLIMIT_FSIZE, (700 * 1024, 700 * 1024))  # what a full disk is to posix_fallocate
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes=256, interval=0):
            with fwmemtrace.phase("a"):
                kept = [bytes(3000) for _ in range(20_000)]
        print("still here")
    """)
    assert "still here" in done.stdout
    assert "samples are missing" in fwmemtrace.read(tmp_path / "trace.bin").report("json")


@pytest.mark.slow
def test_an_allocator_that_is_preloaded_is_used_and_sampled(run_program, tmp_path):
    found = sorted(glob.glob("/usr/lib/*/libjemalloc.so.2"))
    if not found:
        pytest.skip("needs libjemalloc2")
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("the address sanitizer must be the first library")
    run_program(
        """
        import fwmemtrace
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0):
            with fwmemtrace.phase("a"):
                kept = [bytearray(100_000) for _ in range(100)]
        """,
        LD_PRELOAD=found[0],
    )
    heap = heap_of(tmp_path / "trace.bin", "a")
    assert within(heap.live_bytes, 10 * MB, 0.02)
    assert within(heap.allocated_bytes, 10 * MB, 0.02), "what jemalloc maps for itself counts for nothing"


@pytest.mark.slow
def test_a_leak_is_a_candidate_and_a_cache_is_not(run_program, tmp_path):
    run_program("""
        import fwmemtrace
        leaked, cache = [], {}

        def leak(): leaked.append(bytearray(20_000))
        def fill(): cache.setdefault("once", [bytearray(20_000) for _ in range(100)])

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="16KiB", interval=0):
            for _ in range(100):
                with fwmemtrace.phase("request"):
                    fill()
                    leak()
                    temporary = [bytearray(20_000) for _ in range(50)]
    """)
    heap = heap_of(tmp_path / "trace.bin", "request")
    assert heap.calls == 100
    assert [site.stack[0].function for site in heap.leak_candidates] == ["leak"]
    assert heap.leak_candidates[0].from_calls > 40
    assert "Leak candidates" in fwmemtrace.read(tmp_path / "trace.bin").report("text")


def test_a_context_variable_is_read_as_the_interpreter_has_it(compiled):
    """With one variable in the context, with so many that nodes of all kinds are on the way, and in another context."""
    variables = [ContextVar(f"v{number}") for number in range(300)]
    asked = ContextVar("asked")

    def check(expected: object) -> None:
        assert compiled.context_value(asked) is expected

    for count in (0, 1, 10, 300):
        context = Context()
        for variable in variables[:count]:
            context.run(variable.set, object())
        context.run(check, None)
        value = object()
        context.run(asked.set, value)
        context.run(check, value)
    check(None)


@pytest.mark.slow
def test_tasks_of_another_event_loop_keep_their_phases(run_program, tmp_path):
    if find_spec("uvloop") is None:
        pytest.skip("needs uvloop")
    run_program("""
        import asyncio, fwmemtrace, uvloop
        kept = []
        async def task(number):
            with fwmemtrace.phase(f"task {number}"):
                for _ in range(20):
                    kept.append(bytearray(50_000))
                    await asyncio.sleep(0)
        async def tasks():
            await asyncio.gather(*(task(number) for number in range(5)))
        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes=2048, interval=0):
            uvloop.run(tasks())
    """)
    for number in range(5):
        assert within(heap_of(tmp_path / "trace.bin", f"task {number}").live_bytes, MB, 0.05)


def test_a_program_that_closes_every_descriptor_keeps_its_own_files_as_they_are(run_program, tmp_path):
    run_program("""
        import os, fwmemtrace
        fwmemtrace.start("trace.bin", probes=["heap"], sample_bytes=256, interval=0)
        os.closerange(3, 4096)
        own = [os.open(f"own {number}", os.O_CREAT | os.O_RDWR) for number in range(600)]
        kept = [bytes(3000) for _ in range(3000)]
        fwmemtrace.stop()
        assert [os.fstat(number).st_size for number in own] == [0] * 600
    """)
    assert (tmp_path / "own 0").stat().st_size == 0


@pytest.mark.slow
def test_a_snapshot_names_the_stacks_that_hold_the_most(run_program, tmp_path):
    run_program("""
        import fwmemtrace
        from fwmemtrace import phase

        def keep(): return [bytearray(100_000) for _ in range(300)]
        def load(): return [
            bytearray(50_000)
            for _ in range(200)
        ]

        with fwmemtrace.session("trace.bin", probes=["heap"], sample_bytes="64KiB", interval=0):
            with phase("a"):
                kept = keep()
                with phase("b"):
                    loaded = load()
                    fwmemtrace.snapshot("both")
                del kept
                fwmemtrace.snapshot("one")
    """)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    both, one = (note for note in trace.summary().trace.notes if note.startswith("snapshot: live heap"))
    assert re.search(r"by keep\.?\S* \(<string>:5\)", both)
    assert re.search(r"by load\.?\S* \(<string>:7\)", both)
    assert both.index("by keep") < both.index("by load")
    assert "by keep" not in one
    assert "by load" in one
    live, low, high = map(parse_bytes, re.search(r": (\S+ MB) \((\S+ MB) to (\S+ MB)\)", both).groups())
    assert low < live < high
    assert within(live, 40 * MB, 0.15)
    for text in (trace.report("text", width=1000), trace.report("html")):
        assert "live heap, by its samples" in text


@pytest.mark.slow
def test_the_largest_sites_have_the_same_lines_and_bytes_as_the_tables(run_program):
    run_program("""
        from fwmemtrace import core
        from fwmemtrace.capture.heap_file import HeapFile

        core, _ = core.load()
        assert core.heap_largest() == (0.0, (0.0, 0.0, 0, []), [])
        core.heap_start(None, 2048, 1, False)
        import argparse, asyncio, ast, decimal, difflib, json, tarfile, unittest
        trees = [ast.parse(open(module.__file__).read()) for module in (argparse, decimal, difflib, json, tarfile)]
        mean, (live, variance, samples, _), sites = core.heap_largest()
        file = HeapFile(core.heap_stop(), "tables")
        stacks = {}
        for site in file.sites.values():
            stacks.setdefault(tuple(file.stack(site)), set()).add(site.live)
        assert len(sites) == 64
        assert [site[0] for site in sites] == sorted((site[0] for site in sites), reverse=True)
        for site in sites[:40]:
            assert tuple(site[3]) in stacks, site
        assert sum(site[0] in stacks[tuple(site[3])] for site in sites) > 32  # the list of them is in the tables, too
        assert abs(live - sum(block.weight for block in file.blocks)) < 0.05 * live
        assert 0.9 * len(file.blocks) < samples < 1.1 * len(file.blocks)
        assert core.heap_largest()[0] == 0
    """)


@pytest.mark.slow
def test_a_program_goes_on_when_another_one_truncates_the_file_of_the_tables(run_program, tmp_path):
    run_program("""
        import os, threading
        import fwmemtrace
        from fwmemtrace import phase

        fwmemtrace.start("trace.bin", probes=["heap"], sample_bytes="4KiB", interval=0)
        truncated = threading.Event()

        def work():
            kept = [bytearray(10_000) for _ in range(500)]
            truncated.wait()
            for _ in range(2000):
                with phase("after"):
                    kept.pop(0)
                    kept.append(bytearray(10_000))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        os.truncate("trace.bin.heap", 0)
        truncated.set()
        for thread in threads:
            thread.join()
        fwmemtrace.snapshot()
        fwmemtrace.stop()
        with fwmemtrace.session("next.bin", probes=["heap"], sample_bytes="4KiB", interval=0), phase("again"):
            kept = bytearray(1_000_000)
    """)
    trace = fwmemtrace.read(tmp_path / "trace.bin")
    assert trace["after"].calls == 6000
    assert any("was truncated by another program: the sampled heap is lost" in n for n in trace.summary().trace.notes)
    assert heap_of(tmp_path / "next.bin", "again").live_bytes >= MB
