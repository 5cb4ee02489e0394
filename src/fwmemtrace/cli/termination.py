"""Ends a command in order when a signal asks it to, with the processes that it started and its temporary files.

SIGINT does that by itself, as KeyboardInterrupt. But a command that was started in the background or by nohup ignores
SIGINT, as its parent did, and so SIGTERM has to end it in the same way.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = ("SIGTERM", "SIGHUP")


@contextmanager
def orderly_termination() -> Iterator[None]:
    """Raise SystemExit where SIGTERM or SIGHUP would end this process at once; ignored signals stay ignored.

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
    signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
    raise SystemExit(128 + number)
