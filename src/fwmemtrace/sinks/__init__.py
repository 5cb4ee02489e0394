"""Sinks: where the records of a session go.

Any object with a method `write` is a sink; see `Sink`. The built-in ones are loaded when they are used, so that
importing this package costs the traced process nothing.
"""

from __future__ import annotations

import sys as _sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Sink
    from .callback import CallbackSink
    from .fan_out import FanOutSink
    from .jsonl import JsonLinesSink
    from .logging import LoggingSink
    from .memory import MemorySink
    from .trace_file import TraceFileSink

__all__ = ["CallbackSink", "FanOutSink", "JsonLinesSink", "LoggingSink", "MemorySink", "Sink", "TraceFileSink"]

_MODULES = {
    "CallbackSink": "callback",
    "FanOutSink": "fan_out",
    "JsonLinesSink": "jsonl",
    "LoggingSink": "logging",
    "MemorySink": "memory",
    "Sink": "base",
    "TraceFileSink": "trace_file",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__}.{_MODULES[name]}"
    __import__(module)
    return getattr(_sys.modules[module], name)


def __dir__() -> list[str]:
    return sorted(__all__)
