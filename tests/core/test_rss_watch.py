"""The core's watch for changes of RSS: what it samples without the interpreter's lock, and when it gives up."""

from __future__ import annotations

import _thread
import json
import os
import subprocess
import sys
import threading
import types

import pytest

from fwmemtrace import core
from fwmemtrace.probes.resident.pauses import Longest, PlainPauses, WatchedPauses, pauses_for
from fwmemtrace.system.held_reads import HeldReads

compiled, reason = core.load()
pytestmark = pytest.mark.skipif(
    not hasattr(compiled, "RssWatch"), reason=reason or "this interpreter's frames cannot be read by the core"
)

MB = 1_000_000
SOON_NS, LATER_NS, NEVER_NS = 1_000_000, 10_000_000, 60_000_000_000


@pytest.fixture
def files():
    files = HeldReads()
    yield files
    files.close()


def wait(watch, files, *, limit_ns=LATER_NS, rss=None, most=256):
    level = int(files.read("statm").split()[1]) * os.sysconf("SC_PAGESIZE") if rss is None else rss
    assert watch.wait(files.number("statm"), [], level, SOON_NS, LATER_NS, limit_ns, limit_ns, most)
    return watch.take()


def test_it_returns_at_its_limit(files):
    watch = compiled.RssWatch()
    samples, codes, known = wait(watch, files, rss=1 << 40, most=0)
    assert (samples, codes, known) == ([], [], 0)


def test_it_gives_up_where_the_file_is_another_one(files, tmp_path):
    number = os.open(tmp_path, os.O_RDONLY)
    try:
        assert compiled.RssWatch().wait(number, [], 0, SOON_NS, LATER_NS, NEVER_NS, NEVER_NS, 256) is False
    finally:
        os.close(number)
    assert compiled.RssWatch().wait(number, [], 0, SOON_NS, LATER_NS, NEVER_NS, NEVER_NS, 256) is False


def test_stop_ends_the_wait(files):
    watch = compiled.RssWatch()
    found = []
    waiting = threading.Thread(
        target=lambda: found.append(wait(watch, files, rss=1 << 40, limit_ns=NEVER_NS, most=256))
    )
    timer = threading.Timer(0.05, watch.stop)
    waiting.start()
    timer.start()
    waiting.join(timeout=30)
    assert not waiting.is_alive()
    assert found
    assert watch.stopped
    assert wait(watch, files, limit_ns=NEVER_NS)[0] == []


def test_pauses_end_when_they_are_stopped(files):
    for pauses in (PlainPauses(), pauses_for(files, list)):
        pauses.stop()
        assert not pauses.rest(30.0, Longest(30.0, 30.0), 0, 256)


def test_a_closed_file_costs_one_pause_only(files):
    pauses = pauses_for(files, list)
    assert isinstance(pauses, WatchedPauses)
    os.close(files.number("statm"))
    assert pauses.rest(0.001, Longest(0.01, 0.01), 1 << 40, 0)


def test_where_it_may_not_read_frames_the_timeline_looks_itself(files, monkeypatch):
    def refuse():
        raise PermissionError

    monkeypatch.setattr(core, "load", lambda: (types.SimpleNamespace(RssWatch=refuse), ""))
    assert isinstance(pauses_for(files, list), PlainPauses)


def test_where_threads_are_greenlets_no_pause_stops_them_all(files, monkeypatch):
    monkeypatch.setattr(_thread, "start_new_thread", lambda function, arguments: function(*arguments))
    assert isinstance(pauses_for(files, list), PlainPauses)


PROGRAM = """
import _thread, json, sys, threading, time
from fwmemtrace.core import load
from fwmemtrace.probes.resident.pauses import Longest, pauses_for
from fwmemtrace.system.held_reads import HeldReads

MB, KEPT, OVER, READINGS = 1_000_000, [], [], []
files = HeldReads()
pauses = pauses_for(files, list)

def rss():
    return int(files.read("statm").split()[1]) * 4096

def watch():
    while not OVER and pauses.rest(0.001, Longest(0.05, 0.05), rss(), 256):
        READINGS.extend(pauses.take())
    OVER.append(None)

def grow(size):
    for _ in range(size // MB):
        KEPT.append(b"x" * MB)
        time.sleep(0.001)

def deep(levels, size):
    return deep(levels - 1, size) if levels else grow(size)

def generated(size):
    for _ in range(size // MB):
        KEPT.append(b"x" * MB)
        time.sleep(0.001)
        yield

def rows():
    return [[(code.co_qualname, code.co_filename) for code in thread.stack.codes]
            for reading in READINGS for thread in reading.threads]

_thread.start_new_thread(watch, ())
"""


def run(source):
    command = [sys.executable, "-c", PROGRAM + source]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_stack_is_that_of_the_moment():
    stacks = run(
        """
deep(30, 60 * MB)
for _ in generated(60 * MB):
    pass
worker = threading.Thread(target=deep, args=(3, 60 * MB))
worker.start()
worker.join()
OVER.append(None)
print(json.dumps(rows()))
"""
    )
    names = [[name for name, _ in stack] for stack in stacks]
    assert ["grow", *["deep"] * 31, "<module>"] in names
    assert ["generated", "<module>"] in names
    assert any(stack[:5] == ["grow", "deep", "deep", "deep", "deep"] and stack[-1] != "<module>" for stack in names)
    assert {file for stack in stacks for name, file in stack if name == "deep"} == {"<string>"}


@pytest.mark.slow
def test_a_program_that_calls_returns_raises_and_starts_threads_all_the_time_is_not_disturbed():
    result = run(
        """
def work(levels, end):
    while time.monotonic() < end:
        try:
            for _ in range(200):
                exec(compile(f"def made(levels, inner): return inner(levels)", "<made>", "exec"), scope := {})
                scope["made"](levels, down)
                list(through(10))
        except ValueError:
            pass

def down(levels):
    if not levels:
        KEPT.append(bytes(200_000)); del KEPT[:-200]
        raise ValueError
    return down(levels - 1)

def through(levels):
    yield levels
    if levels:
        yield from through(levels - 1)

end = time.monotonic() + 3
while time.monotonic() < end:
    threads = [threading.Thread(target=work, args=(n, min(end, time.monotonic() + 0.05))) for n in (3, 90)]
    for thread in threads: thread.start()
    work(20, min(end, time.monotonic() + 0.05))
    for thread in threads: thread.join()
OVER.append(None)
print(json.dumps([len(READINGS), sorted({file for stack in rows() for _, file in stack if file[0] != "/"})]))
"""
    )
    count, files = result
    assert count
    assert set(files) <= {"<string>", "<made>", "<frozen importlib._bootstrap>"}
