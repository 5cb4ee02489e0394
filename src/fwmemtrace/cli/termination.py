"""Ends a command in order when a signal asks it to, with the processes that it started and its temporary files.

SIGINT does that by itself, as KeyboardInterrupt. But a command that was started in the background or by nohup ignores
SIGINT, as its parent did, and so SIGTERM has to end it in the same way.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGHUP")
_TWICE_S = 1.0  # `timeout` sends its signal to the process, and to its group: only a later one ends it at once


@contextmanager
def orderly_termination() -> Iterator[None]:
    """Raise SystemExit where SIGTERM or SIGHUP would end this process immediately; ignored signals stay ignored.

    The exit status is the one that a shell reports for the signal: 143 for SIGTERM.
    """
    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _: FrameType | None) -> None:
    until = time.monotonic() + _TWICE_S

    def again(number: int, _: FrameType | None) -> None:
        if time.monotonic() > until:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    signal.signal(number, again)
    raise SystemExit(128 + number)
