"""Calls that the interpreter makes in the main thread: Python 3.11 can hang in them."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import _thread, sys, time
from fwmemtrace.probes.resident.pending_calls import LastingCall, call_in_main_thread

mark, made = LastingCall(), []

def function():
    pass

def call():
    mark.mark()
    made.append(call_in_main_thread(call))
    function()
    made.append(True)

sys.setprofile(lambda *_: None)
assert call_in_main_thread(call)
while len(made) < 2:
    function()
sys.setprofile(None)
assert made == [False, True]

native, looked = _thread.allocate_lock(), []
native.acquire()

def look():
    before = time.perf_counter_ns()
    mark.mark()
    looked.append((mark.lasts(main, 1 << 62), mark.lasts(main, before)))
    native.release()

main = _thread.get_ident()
_thread.start_new_thread(look, ())
native.acquire()
function()
assert looked == [(True, False)]
assert not mark.lasts(main, 1 << 62)
"""


def test_nothing_is_added_while_a_call_is_made_and_a_lasting_call_is_seen():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
