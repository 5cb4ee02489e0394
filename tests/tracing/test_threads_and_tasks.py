"""The current phase is a context variable: threads start without one, tasks inherit it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from fwmemtrace import phase


def test_a_thread_starts_without_a_phase(traced):
    def work():
        with phase("in thread"):
            pass

    with phase("outer"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert traced.events == ["+outer", "+in thread", "-in thread", "-outer"]
    outer, inner = traced.begins
    assert outer.thread_id == threading.get_ident()
    assert inner.thread_id != outer.thread_id


def test_a_thread_given_the_context_inherits_the_phase(traced):
    def work():
        with phase("in thread"):
            pass

    with phase("outer"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
        thread.start()
        thread.join()
    assert traced.paths == ["outer", "outer/in thread"]


def test_to_thread_inherits_the_phase(traced):
    @phase("blocking")
    def blocking():
        return threading.get_ident()

    async def main():
        with phase("request"):
            return await asyncio.to_thread(blocking)

    assert asyncio.run(main()) != threading.get_ident()
    assert traced.paths == ["request", "request/blocking"]


def test_one_object_shared_by_many_threads(traced):
    """More switches between threads than usual, so that an exit meets another thread's enter at every point."""
    shared = phase("shared")
    turns, threads = 300, 4
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def work(number):
        for _ in range(turns):
            with shared, phase(f"{number}"):
                pass
            with phase("alone"):  # what another thread's end may have closed or left open would be its parent
                pass

    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
    finally:
        sys.setswitchinterval(before)
    assert Counter(traced.paths) == {
        "shared": turns * threads,
        "alone": turns * threads,
        **{f"shared/{number}": turns for number in range(threads)},
    }
    assert traced.open == []
    by_span = {begin.span: begin for begin in traced.begins}
    for begin in traced.begins:
        if begin.parent:
            assert by_span[begin.parent].thread_id == begin.thread_id


def test_overlapping_threads_share_a_decorated_function(traced):
    barrier = threading.Barrier(3)

    @phase("work")
    def work():
        barrier.wait()
        with phase("inside"):
            barrier.wait()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result()
    assert Counter(traced.paths) == {"work": 3, "work/inside": 3}
    assert traced.open == []


def test_tasks_inherit_the_phase_they_were_created_in(traced):
    async def child(name):
        with phase(name):
            await asyncio.sleep(0)

    async def main():
        with phase("a"):
            first = asyncio.create_task(child("1"))
        with phase("b"):
            second = asyncio.create_task(child("2"))
            await asyncio.gather(first, second)

    asyncio.run(main())
    # The phase `a` had ended when its task first ran: the task's phase lies in no phase, rather than in an ended one.
    assert traced.paths == ["a", "b", "1", "b/2"]


def test_interleaved_tasks_keep_their_phases_apart(traced):
    @phase("request")
    async def request(number):
        for step in range(3):
            with phase(f"{number}.{step}"):
                await asyncio.sleep(0)

    async def main():
        with phase("main"):
            await asyncio.gather(*(request(number) for number in range(4)))

    asyncio.run(main())
    assert Counter(traced.paths) == {
        "main": 1,
        "main/request": 4,
        **{f"main/request/{number}.{step}": 1 for number in range(4) for step in range(3)},
    }
    assert traced.open == []


def test_one_object_shared_by_tasks(traced):
    shared = phase("shared")

    async def work(number):
        async with shared:
            await asyncio.sleep(0.001 * (4 - number))  # left in the opposite order of entering
            with phase(f"{number}"):
                await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(work(number) for number in range(4)))

    asyncio.run(main())
    assert sorted(traced.paths) == sorted(["shared"] * 4 + [f"shared/{number}" for number in range(4)])
    # Each end closes its own task's span: a span's child never outlives it.
    ended = {end.span: position for position, end in enumerate(traced.ends)}
    for begin in traced.begins:
        if begin.parent:
            assert ended[begin.span] < ended[begin.parent]


def test_a_cancelled_task(traced):
    @phase("waiting")
    async def waiting():
        await asyncio.sleep(1000)

    async def main():
        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert traced.events == ["+waiting", "-waiting asyncio.exceptions.CancelledError"]


def test_a_task_group(traced):
    @phase("part")
    async def part(number):
        await asyncio.sleep(0)
        return number

    async def main():
        async with phase("all"), asyncio.TaskGroup() as group:
            tasks = [group.create_task(part(number)) for number in range(3)]
        return [task.result() for task in tasks]

    assert asyncio.run(main()) == [0, 1, 2]
    assert Counter(traced.paths) == {"all": 1, "all/part": 3}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer signal")
def test_a_signal_handler_may_run_a_phase_anywhere(traced):
    """Also inside the code that begins and ends phases: nothing hangs, and what is interrupted goes on as it was."""
    handled = []
    armed = False

    def handler(number, frame):
        nonlocal armed
        with phase("handler"):
            handled.append(number)
        armed = False

    before = signal.signal(signal.SIGALRM, handler)
    try:
        deadline = time.monotonic() + 300
        turns = 0
        while len(handled) < 100 and time.monotonic() < deadline:
            if not armed:  # one at a time: on a busy machine a handler may take longer than any interval
                armed = True
                signal.setitimer(signal.ITIMER_REAL, 0.0001 + len(handled) * 1e-6)
            with phase("outer"), phase("inner"):
                turns += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(handled) >= 100
    paths = Counter(traced.paths)
    assert paths["outer"] == turns
    assert paths["outer/inner"] == turns
    # One that comes while the running phase is being changed may go unrecorded; see context.py.
    recorded = sum(count for path, count in paths.items() if path.endswith("handler"))
    assert 0.8 * len(handled) <= recorded <= len(handled)
    assert traced.open == []
    with phase("after"):
        pass
    assert traced.paths[-1] == "after"


def test_a_finaliser_may_run_a_phase(traced):
    class Finalised:
        def __del__(self):
            with phase("del"):
                pass

    with phase("outer"):
        Finalised()
        with phase("inner"):
            cycle = Finalised()
            cycle.itself = cycle
            del cycle
            gc.collect()
    assert traced.events == [
        *("+outer", "+outer/del", "-outer/del"),
        *("+outer/inner", "+outer/inner/del", "-outer/inner/del", "-outer/inner", "-outer"),
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_disturb_its_parent(traced):
    with phase("outer"):
        child = os.fork()
        if not child:
            with phase("in child"):
                pass
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with phase("inner"):
            pass
    assert traced.events == ["+outer", "+outer/inner", "-outer/inner", "-outer"]


@pytest.mark.slow
def test_phases_inside_the_collector_while_a_phase_is_being_set():
    """Up to Python 3.11 the collector runs in the middle of ContextVar.set; a phase in there crashed the process."""
    code = """
        import gc, fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.sinks.callback import CallbackSink
        from fwmemtrace.records import PhaseBegin, PhaseEnd

        counts = {PhaseBegin: 0, PhaseEnd: 0}
        def count(record):
            if type(record) in counts:
                counts[type(record)] += 1

        def during_collection(moment, info):
            with phase("in the collector"):
                pass

        with fwmemtrace.session(sink=CallbackSink(count), interval=0, exact_peak=False):
            gc.callbacks.append(during_collection)
            gc.set_threshold(1)
            for number in range(20_000):
                garbage = [[] for _ in range(number % 3)]
                with phase("outer"), phase("inner"):
                    pass
            gc.callbacks.clear()
        assert counts[PhaseBegin] == counts[PhaseEnd] > 40_000, counts
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
