"""Which phase an allocation counts toward, with tasks, generators and threads."""

from __future__ import annotations

import asyncio
import mmap
import sys
import threading

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.paths import encodable, write
from fwmemtrace.probes.native import marker_writer
from fwmemtrace.probes.task_switches import TaskSwitches

from .conftest import arenas, summary_of

pytest.importorskip("memray")
from memray._test import MemoryAllocator


def take(kept, size):
    block = MemoryAllocator()
    block.malloc(size)
    kept.append(block)


@pytest.fixture
def kept():
    blocks = []
    yield blocks
    for block in blocks:
        block.free()


def taken(row, size):
    """Return how many blocks of exactly this size the stacks of a row allocated."""
    return sum(site.allocations for site in row.top if site.allocated_bytes == site.allocations * size)


def only_these(rows, path, size):
    """Tell whether the row at `path` allocated exactly that much through `take`."""
    mine = [site for site in rows[path].top if site.stack and site.stack[0].file.endswith("memray/_test.py")]
    return sum(site.allocated_bytes for site in mine) == size


def test_a_hundred_tasks_get_their_own_bytes(tmp_path, kept):
    @phase("decorated")
    async def decorated(number):
        take(kept, 200_000 + number)
        await asyncio.sleep(0)
        take(kept, 200_000 + number)

    async def task(number):
        with phase(f"task {number}"):
            for _ in range(4):
                take(kept, 100_000 + number)
                await asyncio.sleep(0.001 if number % 3 else 0)
            await decorated(number)
            take(kept, 100_000 + number)

    async def main():
        with phase("main"):
            await asyncio.gather(*(task(number) for number in range(100)))
            take(kept, 77_777)

    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("run"):
            asyncio.run(main())
            take(kept, 88_888)
    rows = summary_of(tmp_path / "trace.bin").rows
    for number in range(100):
        assert only_these(rows, f"run/main/task {number}", 5 * (100_000 + number))
        assert only_these(rows, f"run/main/task {number}/decorated", 2 * (200_000 + number))
    assert only_these(rows, "run/main", 77_777)
    assert only_these(rows, "run", 88_888)
    assert only_these(rows, "", 0)


def test_two_hundred_tasks_in_twenty_phases(tmp_path, kept):
    async def task(number):
        async with phase(f"kind {number % 20}"):
            take(kept, 100_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0.002)
            take(kept, 100_000)

    async def main():
        await asyncio.gather(*(task(number) for number in range(200)))

    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        asyncio.run(main())
    rows = summary_of(tmp_path / "trace.bin").rows
    assert all(only_these(rows, f"kind {number}", 10 * 2 * 100_000) for number in range(20))
    assert all(rows[f"kind {number}"].held_bytes >= 2_000_000 for number in range(20))


def test_a_task_outlives_its_phase_in_the_phase_around_it(tmp_path, kept):
    async def late():
        await asyncio.sleep(0.01)
        take(kept, 100_000)

    async def main():
        with phase("outer"):
            with phase("inner"):
                task = asyncio.create_task(late())
            await task

    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        asyncio.run(main())
    rows = summary_of(tmp_path / "trace.bin").rows
    assert only_these(rows, "outer", 100_000)
    assert only_these(rows, "outer/inner", 0)


def test_asyncio_is_restored_after_the_session(tmp_path):
    original = asyncio.Handle._run
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        assert asyncio.Handle._run is not original
    assert asyncio.Handle._run is original


def test_a_later_wrapper_is_left_alone(monkeypatch):
    switches = TaskSwitches(lambda span: None)
    monkeypatch.setattr(asyncio.Handle, "_run", asyncio.Handle._run)
    switches.follow()
    later = lambda handle: None  # noqa: E731
    asyncio.Handle._run = later
    switches.stop()
    assert asyncio.Handle._run is later


def test_asyncio_is_followed_once_it_is_imported(run, tmp_path):
    run(
        """
import fwmemtrace
from fwmemtrace import phase
kept = []
with fwmemtrace.session("trace.bin", probes=["native"]):
    with phase("outer"):
        import asyncio
        async def task(number):
            for _ in range(3):
                with phase(f"task {number}"):
                    kept.append(bytearray(100_000))
                    await asyncio.sleep(0)
                    kept.append(bytearray(100_000))
        async def main():
            await asyncio.gather(*(task(number) for number in range(5)))
        asyncio.run(main())
"""
    )
    rows = summary_of(tmp_path / "trace.bin").rows
    assert all(taken(rows[f"outer/task {number}"], 100_001) == 6 for number in range(5))


def test_a_suspended_generator_is_out_of_its_phase(tmp_path, kept):
    @phase("generator")
    def generator():
        for _ in range(3):
            take(kept, 100_000)
            with phase("inner"):
                take(kept, 10_000)
                yield
                take(kept, 1_000_000)

    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("begun"):
            iterator = generator()
            next(iterator)
            take(kept, 20_000)
        with phase("resumed"):
            for _ in iterator:
                take(kept, 30_000)
    rows = summary_of(tmp_path / "trace.bin").rows
    assert only_these(rows, "begun/generator", 3 * 100_000)
    assert only_these(rows, "begun/generator/inner", 3 * 1_010_000)
    assert only_these(rows, "begun", 20_000)
    assert only_these(rows, "resumed", 2 * 30_000)


def test_a_phase_may_end_in_another_thread(tmp_path, kept):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        entered = phase("open")
        entered.__enter__()
        take(kept, 100_000)
        thread = threading.Thread(target=lambda: entered.__exit__(None, None, None))
        thread.start()
        thread.join()
        with phase("next"):
            take(kept, 200_000)
    rows = summary_of(tmp_path / "trace.bin").rows
    assert only_these(rows, "open", 100_000)
    assert any(path.endswith("next") and only_these(rows, path, 200_000) for path in rows)


def test_a_phase_without_the_probe_counts_with_the_one_around_it(tmp_path, kept):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("outer"):
            with phase("hot", probes=["resident"]):
                take(kept, 100_000)
                with phase("inner"):
                    take(kept, 200_000)
                take(kept, 300_000)
    rows = summary_of(tmp_path / "trace.bin").rows
    assert "outer/hot" not in rows
    assert only_these(rows, "outer", 400_000)
    assert only_these(rows, "outer/hot/inner", 200_000)
    assert rows["outer"].including_inner.live_bytes >= 600_000


def test_threads_without_a_phase_count_with_the_session_thread(tmp_path, kept):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("outer"):
            thread = threading.Thread(target=take, args=(kept, 100_000))
            thread.start()
            thread.join()
    row = summary_of(tmp_path / "trace.bin").rows["outer"]
    assert taken(row, 100_000) == 1
    assert 100_000 <= row.ambient_bytes < 150_000 + arenas({"outer": row})


def test_names_that_no_c_string_can_hold(tmp_path, kept):
    names = ["zero\0byte", "new\nline", "lone\udc80surrogate", "größe 💾", "a/b", "back\\slash", "\\/", "'"]
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        for size, name in enumerate(names, 100_000):
            with phase(name):
                take(kept, size)
    rows = summary_of(tmp_path / "trace.bin").rows
    for size, name in enumerate(names, 100_000):
        assert only_these(rows, write((encodable(name),)), size), name


def test_a_slash_in_a_name_does_not_make_siblings_parent_and_child(tmp_path, kept):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("serve"):
            with phase("GET /users"):
                take(kept, 400_000)
            with phase("GET /users/{id}"):
                take(kept, 200_000)
                with phase("GET"):
                    take(kept, 100_000)
    rows = summary_of(tmp_path / "trace.bin").rows
    users, user = write(("serve", "GET /users")), write(("serve", "GET /users/{id}"))
    assert only_these(rows, users, 400_000)
    assert only_these(rows, user, 200_000)
    assert set(rows) == {"", "serve", users, user, user + "/GET"}
    for figure in ("allocated_bytes", "allocations", "live_bytes", "held_bytes"):

        def own(path, figure=figure):
            return getattr(rows[path], figure)

        def whole(path, figure=figure):
            return getattr(rows[path].including_inner, figure)

        assert whole(users) == own(users)
        assert whole(user) == own(user) + own(user + "/GET")
        assert whole("serve") == own("serve") + own(users) + own(user) + own(user + "/GET")


def test_phases_beyond_the_number_of_names_are_spelled(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(marker_writer, "MAX_NAMES", 40)
    file = tmp_path / "file"
    file.write_bytes(bytes(100 * mmap.PAGESIZE))
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]), file.open("rb") as handle:
        for _ in range(2):
            for number in range(40):
                with phase(f"ünique {number}"):
                    take(kept, 100_000 + number)
                    with phase("inner"):
                        take(kept, 200_000 + number)
        with phase("map"):
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        outer, inner = phase("open twice"), phase("open twice")
        thread = threading.Thread(target=inner.__enter__)
        outer.__enter__()
        thread.start()
        thread.join()
        take(kept, 100_000)
        inner.__exit__(None, None, None)
        take(kept, 100_000)
        outer.__exit__(None, None, None)
    rows = summary_of(tmp_path / "trace.bin").rows
    for number in range(40):
        assert only_these(rows, f"ünique {number}", 2 * (100_000 + number))
        assert only_these(rows, f"ünique {number}/inner", 2 * (200_000 + number))
    assert rows["map"].file_backed_bytes == 100 * mmap.PAGESIZE
    assert rows["open twice"].held_bytes >= 2 * 100_000
    mapped.close()


def test_markers_by_mmap_as_on_a_free_threaded_build(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("outer"):
            take(kept, 100_000)
            with phase("inner"):
                take(kept, 200_000)
        mapped = mmap.mmap(-1, 100 * mmap.PAGESIZE)
    rows = summary_of(tmp_path / "trace.bin").rows
    assert only_these(rows, "outer", 100_000)
    assert only_these(rows, "outer/inner", 200_000)
    assert rows[""].live_bytes >= 100 * mmap.PAGESIZE
    mapped.close()


def test_a_profile_function_of_the_program_does_not_break_it(tmp_path, kept):
    with fwmemtrace.session(tmp_path / "trace.bin", probes=["native"]):
        with phase("before"):
            take(kept, 100_000)
        sys.setprofile(lambda *_: None)
        with phase("hidden"):
            take(kept, 200_000)
        sys.setprofile(None)
    rows = summary_of(tmp_path / "trace.bin").rows
    assert only_these(rows, "before", 100_000)
