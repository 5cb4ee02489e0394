"""Whose rise it is, by what was read of threads without the interpreter's lock; and what was accounted for then."""

from __future__ import annotations

import sys
import threading
from types import CodeType

import pytest

from fwmemtrace.probes.attribution import Accounted, Attribution
from fwmemtrace.probes.resident.close_look import CloseLook
from fwmemtrace.probes.resident.rises import Rise, RiseSampler
from fwmemtrace.probes.resident.running_threads import RunningThreads, ThreadReading
from fwmemtrace.probes.resident.stacks import Stack, own_frames
from fwmemtrace.system.held_reads import HeldReads

MB, MS = 1_000_000, 1_000_000
MAIN = threading.main_thread().ident
FIRST, SECOND = 1, 2  # identifiers, and those of the kernel


def code(name: str, file: str = "/srv/app.py") -> CodeType:
    return (lambda: None).__code__.replace(co_name=name, co_qualname=name, co_filename=file)


MAIN_LOOP, WORK, HELPER, OTHER = map(code, ("main", "work", "helper", "other"))


def stack(*codes: CodeType, at: int = 0) -> Stack:
    return Stack(codes, (at,) * len(codes), hash(codes))


def reading(ident, processor_ms, faults, *codes, runs=True):
    return ThreadReading(ident, ident, processor_ms * MS, faults, runs, stack(*codes or (WORK,)))


@pytest.fixture
def threads():
    files = HeldReads()
    yield RunningThreads(files, lambda: 0)
    files.close()


def advance(threads, *readings, faults, begun=1, is_alone=False):
    threads.advance_to(list(readings), faults, begun, is_alone=is_alone)
    threads.stacks({one.ident: one.stack for one in readings})
    return threads.shares()


def test_page_faults_divide_a_rise(threads):
    advance(threads, reading(FIRST, 1, 0), reading(SECOND, 1, 0), faults=0)
    threads._faults = {FIRST: 0, SECOND: 0}
    shares = advance(threads, reading(FIRST, 2, 300), reading(SECOND, 3, 100), faults=400)
    assert shares == {FIRST: 0.75, SECOND: 0.25}


def test_where_they_are_not_known_processor_time_does(threads):
    advance(threads, reading(FIRST, 1, -1), reading(SECOND, 1, -1), faults=0)
    shares = advance(threads, reading(FIRST, 2, -1), reading(SECOND, 4, -1), faults=300)
    assert shares == {FIRST: 0.25, SECOND: 0.75}


def test_a_thread_that_was_merely_woken_up_has_no_part(threads):
    advance(threads, reading(FIRST, 1, -1), reading(SECOND, 1, -1), faults=0)
    woken = ThreadReading(SECOND, SECOND, 1 * MS + 5_000, -1, True, stack(WORK))
    assert advance(threads, reading(FIRST, 2, -1), woken, faults=300) == {FIRST: 1.0}


@pytest.mark.parametrize(
    ("begun", "own_faults", "left"),
    [(2, 10, True), (2, 90, False), (1, 10, False)],
    ids=["another thread came and went", "it made no pages", "there was none: a library's threads did it"],
)
def test_what_threads_that_have_ended_made_is_told(threads, begun, own_faults, left):
    advance(threads, reading(MAIN, 0, 0), faults=0, begun=1, is_alone=True)
    advance(threads, reading(MAIN, 0, own_faults), faults=100, begun=begun, is_alone=True)
    assert threads.is_left_alone(MAIN) is left


def test_frames_of_the_tracer_itself_are_left_out():
    own = code("_rss", sys.modules[RunningThreads.__module__].__file__)
    assert own_frames((own, own, WORK)) == 2
    assert own_frames((own,)) == 0


class Budget:
    def affords(self, share=1.0):
        return False  # no watch

    def spend(self, wall_ns):
        raise AssertionError


@pytest.fixture
def look():
    return CloseLook(lambda: Accounted(0), Budget())


def charged(look, thread, size, *codes, runs, left=False, at=0):
    return look.makers({thread: Rise(stack(*codes, at=at), size, runs, left)}, 1)[thread].codes


def test_what_runs_is_charged_itself_whoever_called_it_before(look):
    for caller in (WORK, OTHER):
        for _ in range(20):
            assert charged(look, FIRST, MB, HELPER, caller, MAIN_LOOP, runs=True) == (HELPER, caller, MAIN_LOOP)


def test_what_is_seen_while_a_thread_waits_goes_to_what_ran_there(look):
    assert charged(look, FIRST, MB, MAIN_LOOP, runs=False) == (MAIN_LOOP,)
    assert charged(look, FIRST, MB, WORK, MAIN_LOOP, runs=True) == (WORK, MAIN_LOOP)
    assert charged(look, FIRST, MB, MAIN_LOOP, runs=False) == (WORK, MAIN_LOOP)


def test_a_place_of_another_caller_is_another_place(look):
    charged(look, FIRST, MB, HELPER, WORK, runs=False)
    charged(look, FIRST, MB, OTHER, HELPER, WORK, runs=True)
    assert charged(look, FIRST, MB, HELPER, WORK, runs=False) == (OTHER, HELPER, WORK)
    assert charged(look, FIRST, MB, HELPER, MAIN_LOOP, runs=False) == (HELPER, MAIN_LOOP)


def test_what_ended_threads_made_goes_to_what_threads_like_them_ran(look):
    assert charged(look, MAIN, MB, MAIN_LOOP, runs=False, left=True) == (MAIN_LOOP,)  # nothing is known yet
    charged(look, SECOND, MB, WORK, runs=True)
    assert charged(look, MAIN, MB, MAIN_LOOP, runs=False, left=True) == (WORK,)


class OneThread:
    def advance(self):
        pass

    def stacks(self):
        return {MAIN: stack(WORK)}

    def shares(self):
        return {MAIN: 1.0}

    def runs(self, thread):
        return True

    def is_left_alone(self, thread):
        return False


def test_a_rise_may_have_begun_at_the_reading_before():
    since = []

    def makers(rises, since_ns):
        since.append(since_ns)
        return {}

    sampler = RiseSampler(lambda record: None, 0, lambda: Accounted(0), OneThread(), makers)
    for time_ns, rss in ((10, 0), (20, MB), (30, MB), (40, 2 * MB)):
        sampler.look(rss, time_ns)
    assert since == [10, 30]


def test_threads_that_have_ended_are_forgotten_and_others_are_not(look):
    charged(look, MAIN, MB, MAIN_LOOP, runs=False)
    charged(look, MAIN, MB, WORK, MAIN_LOOP, runs=True)
    for thread in range(1, 2000):  # no thread has such an identifier
        charged(look, thread, MB, HELPER, WORK, runs=thread % 2)
    assert len(look._waited_at) + len(look._ran_in) < 500
    assert charged(look, MAIN, MB, OTHER, MAIN_LOOP, runs=True) == (OTHER, MAIN_LOOP)
    assert {charged(look, MAIN, MB, MAIN_LOOP, runs=False) for _ in range(9)} == {(WORK, MAIN_LOOP), (OTHER, MAIN_LOOP)}


def test_changes_of_what_is_accounted_for_are_kept_with_their_times():
    attribution = Attribution()
    attribution.ask(lambda: Accounted(7, 8))
    attribution.changed(1)
    assert attribution.take_changes() == []  # nobody follows
    attribution.follow()
    attribution.changed(2)
    attribution.changed(3)
    assert [(at, made.closed_bytes, made.open_since) for at, made in attribution.take_changes()] == [
        (2, 7, 8),
        (3, 7, 8),
    ]
    assert attribution.take_changes() == []
