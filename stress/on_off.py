"""Sessions are switched on and off while threads run phases and others write files of their own.

Every hundredth round, the descriptors that a daemon would close when it starts are closed, all but the program's own.
No byte of the tracer's may reach a file of the program's, nor may one of the program's descriptors vanish.
"""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.recording.session import Session
from stress.outcome import Outcome

FULL, SMALL = 10_000, 30
_WORKERS, _WRITERS = 8, 4
_PAUSE_S = 0.0001  # of the workers between phases, so that the writers have their turn
_MINE = b"A" * 10


def run(number: int) -> Outcome:
    """Switch a session on and off that many times."""
    outcome = Outcome(number)
    over = threading.Event()
    phases = [0] * _WORKERS
    rounds = [0] * _WRITERS
    turn = threading.Lock()  # no writer has a file open while descriptors are closed

    def work(index: int) -> None:
        while not over.is_set():
            with phase("work"):
                phases[index] += 1
            time.sleep(_PAUSE_S)

    def write(index: int) -> None:
        path = f"mine-{index}"
        while not over.is_set():
            with turn:
                number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                try:
                    os.write(number, _MINE)
                    os.write(number, _MINE)
                    found = os.pread(number, 1000, 0)
                    outcome.expect(found == 2 * _MINE, f"a file of the program's has {found[:60]!r}")
                    os.close(number)
                except OSError as error:
                    outcome.expect(False, repr(error))
                rounds[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(_WORKERS)]
    threads += [threading.Thread(target=write, args=(index,)) for index in range(_WRITERS)]
    for thread in threads:
        thread.start()
    shown: list[str] = []
    before, warnings.showwarning = warnings.showwarning, lambda message, *_: shown.append(str(message))
    try:
        for attack in range(number):
            with fwmemtrace.session("on-off.bin", interval="10ms", overwrite=True), phase("round"):
                if attack % 100 == 50:
                    with turn:
                        os.closerange(3, 20_000)
    finally:
        warnings.showwarning = before
        over.set()
        for thread in threads:
            thread.join()
    outcome.expect(not shown, f"recording ended: {shown[:1]}")
    gc.collect()
    sessions = sum(isinstance(thing, Session) for thing in gc.get_objects())
    outcome.expect(sessions <= 1, f"{sessions} sessions are in memory")
    outcome.figures = {"phases": sum(phases), "rounds of the program's own files": sum(rounds)}
    return outcome
