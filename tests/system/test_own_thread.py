"""The tracer's own threads are none of the program's business."""

from __future__ import annotations

import threading

import pytest

import fwmemtrace
from fwmemtrace.probes.exclusion import BackgroundWork, background_rests
from fwmemtrace.records import Note, Sample
from fwmemtrace.sinks import MemorySink
from fwmemtrace.system.own_thread import OwnThread


def fail(*_: object) -> None:
    raise ValueError("the program's own fault")


@pytest.fixture(params=[(threading.setprofile, threading.getprofile), (threading.settrace, threading.gettrace)])
def failing_hook(request):
    install, installed = request.param
    before = installed()
    install(fail)
    yield
    install(before)


def test_the_program_s_hooks_for_threads_do_not_end_the_timeline(failing_hook, wait_until):
    sink = MemorySink()
    with fwmemtrace.session(sink, interval="1ms", probes=["resident"]):
        wait_until(lambda: any(isinstance(record, Sample) for record in sink.records))
    assert not [record for record in sink.records if isinstance(record, Note)]


def test_it_is_none_of_the_program_s_threads_and_is_waited_for():
    seen, go = [], threading.Event()
    thread = OwnThread(lambda: (go.wait(), seen.append(thread.join(0)), seen.append(threading.get_ident())))
    assert threading.active_count() == len(threading.enumerate())
    assert not thread.join(0.01)
    go.set()
    assert thread.join(10)
    assert thread.join(10)
    own_join, ident = seen
    assert not own_join
    assert ident != threading.get_ident()


def test_background_work_waits_for_a_census():
    class Keeper:
        pass

    work = BackgroundWork(Keeper())
    try:
        assert work.begin()
        work.end()
        with background_rests():
            assert not work.begin()
        assert work.begin()
    finally:
        work.over()
