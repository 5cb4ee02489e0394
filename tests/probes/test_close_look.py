"""Rises that are seen only while the main thread waits are charged to the functions that made them.

Every program runs in a process of its own: the main thread of the test's has the profile function of whoever runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

MB = 1_000_000

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

HEAD = """
import json, signal, sys, threading, time
import fwmemtrace
from fwmemtrace.records import Note, RssChange, SampledStack
from fwmemtrace.sinks import MemorySink

MB, KEPT, SINK = 1_000_000, [], MemorySink()
seen = set()  # types of profile functions

def session(**settings):
    return fwmemtrace.session(SINK, **{"interval": "10ms", "short_calls": True, **settings})

def request():
    large(), small()

def large():
    KEPT.append(b"x" * (3 * MB // 2))

def small():
    KEPT.append(b"x" * (MB // 2))

def requests(count):
    for _ in range(count):
        request()
        seen.add(type(sys.getprofile()).__name__)
        time.sleep(0.004)

def charged():
    "Bytes by innermost function of this file."
    assert not [record for record in SINK.records if isinstance(record, Note)]  # the timeline goes on
    frames = {one.stack: one.frames for one in SINK.records if isinstance(one, SampledStack)}
    sizes = {}
    for change in SINK.records:
        if isinstance(change, RssChange) and change.delta_bytes > 0:
            own = [name for name, file, _ in frames.get(change.stack, []) if file == __file__]
            sizes[own[0] if own else ""] = sizes.get(own[0] if own else "", 0) + change.delta_bytes
    return sizes

def by_caller(*names):
    "Bytes by the function of these that was in the stack."
    frames = {one.stack: one.frames for one in SINK.records if isinstance(one, SampledStack)}
    sizes = dict.fromkeys(names, 0)
    for change in SINK.records:
        if isinstance(change, RssChange) and change.delta_bytes > 0:
            for name in {frame[0] for frame in frames.get(change.stack, [])} & sizes.keys():
                sizes[name] += change.delta_bytes
    return sizes
"""


def run(tmp_path, source, *arguments, status=0):
    """Run a program; returns what it printed last, from JSON."""
    file = tmp_path / "program.py"
    file.write_text(HEAD + textwrap.dedent(source))
    command = [sys.executable, str(file), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert done.returncode == status, done.stderr
    assert "ignored" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def assert_in_proportion(sizes):
    """Of 200 MB, 150 to 50; a busy machine watches late and seldom, and what came before stays where it was seen."""
    assert sizes["large"] + sizes["small"] > 100 * MB
    assert sizes["large"] > sizes["small"] > 0


def test_rises_are_charged_to_their_makers_in_proportion(tmp_path):
    sizes = run(
        tmp_path,
        """
        with session():
            requests(100)
        print(json.dumps(charged()))
        """,
    )
    assert_in_proportion(sizes)


def test_the_profile_function_is_taken_away(tmp_path):
    seen, inside, after = run(
        tmp_path,
        """
        with session():
            requests(60)
            for _ in range(40_000):
                len("")
            inside = type(sys.getprofile()).__name__
        print(json.dumps([sorted(seen), inside, type(sys.getprofile()).__name__]))
        """,
    )
    assert "Watch" in seen
    assert (inside, after) == ("NoneType", "NoneType")


@pytest.mark.parametrize("how", ["sys.setprofile(own)", "threading.setprofile(own)", "sys.settrace(own)"])
def test_a_program_with_a_profile_or_trace_function_keeps_it_and_is_not_watched(tmp_path, how):
    seen, kept = run(
        tmp_path,
        f"""
        def own(frame, event, argument):
            pass
        {how}
        with session():
            requests(60)
        kept = own in (sys.getprofile(), threading.getprofile(), sys.gettrace())
        print(json.dumps([sorted(seen), kept]))
        """,
    )
    assert "Watch" not in seen
    assert kept


@pytest.mark.parametrize("chained", [True, False])
def test_a_profile_function_that_the_program_sets_meanwhile_stays(tmp_path, chained):
    calls, kept = run(
        tmp_path,
        f"""
        calls = 0
        def own(frame, event, argument):
            global calls
            calls += 1
            if {chained} and before is not None:
                before(frame, event, argument)
        with session():
            before = None
            while before is None:
                request()
                time.sleep(0.004)
                before = sys.getprofile()
            sys.setprofile(own)
            requests(60)
            for _ in range(40_000):
                len("")
            kept = sys.getprofile() is own
        kept = kept and sys.getprofile() is own
        sys.setprofile(before)  # the program puts back what it found
        request()
        print(json.dumps([calls, kept and sys.getprofile() is None]))
        """,
    )
    assert kept
    assert calls > 80_000


def test_what_a_signal_handler_raises_reaches_the_program(tmp_path):
    sent, caught, watched = run(
        tmp_path,
        """
        class Stop(Exception):
            pass

        sent = caught = watched = 0
        def handler(number, frame):
            global sent, watched
            sent += 1
            watched += sys.getprofile() is not None
            raise Stop
        signal.signal(signal.SIGALRM, handler)
        with session():
            for number in range(200):
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0001 * (number % 13 + 1))
                    request()
                    for _ in range(10_000):
                        len("")
                    time.sleep(1)
                except Stop:
                    caught += 1
                if len(KEPT) > 100:
                    del KEPT[:50]
            signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps([sent, caught, watched]))
        """,
    )
    assert sent == caught == 200
    assert watched


def test_a_session_of_a_service_installs_no_profile_function(tmp_path):
    seen = run(
        tmp_path,
        """
        with session(short_calls=None):
            requests(60)
        print(json.dumps(sorted(seen)))
        """,
    )
    assert seen == ["NoneType"]


def test_a_forked_child_is_not_watched_by_its_parents_function(tmp_path):
    child = run(
        tmp_path,
        """
        import os
        with session():
            while sys.getprofile() is None:
                request()
                time.sleep(0.004)
            reading, writing = os.pipe()
            if not os.fork():
                KEPT.append(b"x" * MB)
                len("")
                os.write(writing, type(sys.getprofile()).__name__.encode())
                os._exit(0)
            os.wait()
        print(json.dumps(os.read(reading, 100).decode()))
        """,
    )
    assert child == "NoneType"


@pytest.mark.parametrize(
    "serve",
    [
        "pool = ThreadPoolExecutor(3)",
        "pool = type('Pool', (), {'submit': lambda _, work: threading.Thread(target=work).start()})()",
    ],
    ids=["threads of a pool", "a thread for each request"],
)
def test_requests_in_other_threads_are_found(tmp_path, serve):
    sizes = run(
        tmp_path,
        f"""
        from concurrent.futures import ThreadPoolExecutor
        {serve}
        with session():
            for _ in range(100):
                pool.submit(request)
                time.sleep(0.004)
        print(json.dumps(charged()))
        """,
    )
    assert_in_proportion(sizes)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other threads are reached in Python 3.11 alone")
@pytest.mark.parametrize("how", ["profile", "trace"])
def test_a_program_with_such_a_function_in_another_thread_alone_is_not_watched(tmp_path, how):
    seen, calls = run(
        tmp_path,
        f"""
        calls, over = 0, threading.Event()
        def own(frame, event, argument):
            global calls
            calls += 1
            return own
        def work():
            sys.set{how}(own)
            over.wait()
            len("")
        thread = threading.Thread(target=work)
        with session():
            thread.start()
            requests(60)
            before = calls
            over.set()
            thread.join()
        print(json.dumps([sorted(seen), calls - before]))
        """,
    )
    assert seen == ["NoneType"]
    assert calls > 0


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other threads are reached in Python 3.11 alone")
def test_threads_may_begin_and_end_while_their_functions_are_set(tmp_path):
    began, events = run(
        tmp_path,
        """
        from fwmemtrace.probes.resident.thread_hooks import ThreadHooks

        sys.setswitchinterval(1e-6)
        hooks = ThreadHooks()
        began = events = 0
        def function(frame, event, argument):
            global events
            events += 1
            sys.setprofile(None)
        def work():
            global began
            began += 1
            len("")
        def churn():
            while not over:
                threading.Thread(target=work).start()
        def install():
            global over
            end = time.monotonic() + 3
            while time.monotonic() < end:
                hooks.any_but(function)
                hooks.set(function)
            over = True
        over = False
        threads = [threading.Thread(target=target) for target in (churn, churn, install)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps([began, events]))
        """,
    )
    assert began
    assert events


def test_a_request_of_many_calls_is_found(tmp_path):
    """It makes more calls than are watched, and takes less time than threads get between two switches."""
    sizes = run(
        tmp_path,
        """
        def many_calls():
            for _ in range(12_000):
                KEPT.append(str(len(KEPT)))
                len(KEPT)

        with session():
            for _ in range(100):
                many_calls()
                time.sleep(0.01)
        print(json.dumps(charged()))
        """,
    )
    assert sizes["many_calls"] > sum(sizes.values()) / 5  # none is seen without; a busy machine looks seldom


def test_the_switch_interval_of_the_program_is_back_at_the_end(tmp_path):
    during, after = run(
        tmp_path,
        """
        from fwmemtrace.probes.resident.switch_interval import ShortSwitchInterval

        short, during = ShortSwitchInterval(), []
        for looks, program_sets in ((2, None), (5, None), (5, 0.02)):
            sys.setswitchinterval(0.01)
            short.begin(looks)
            during.append(round(sys.getswitchinterval() * 1e6))
            if program_sets:
                sys.setswitchinterval(program_sets)
            short.look()
            short.look()
            short.end()
            during.append(round(sys.getswitchinterval() * 1e6))
        print(json.dumps([during[::2], during[1::2]]))
        """,
    )
    assert during == [500, 500, 500]
    assert after == [10_000, 10_000, 20_000]


def test_a_long_native_call_is_charged_with_what_it_makes_whatever_ran_before(tmp_path):
    sizes = run(
        tmp_path,
        """
        import zlib
        SMALL, LARGE = zlib.compress(bytes(60 * MB)), zlib.compress(bytes(900 * MB))

        def prepare():
            KEPT.append(unpack(SMALL))

        def work():
            KEPT.append(unpack(LARGE))

        def unpack(data):
            return zlib.decompress(data)  # one place for both; it runs without the interpreter's lock

        with session():
            for _ in range(4):
                prepare()
            work()
        print(json.dumps(by_caller("prepare", "work")))
        """,
    )
    assert sizes["prepare"] < 1.15 * 4 * 60 * MB
    assert sizes["work"] > 0.9 * 900 * MB
