"""Sinks: where the records of a session go.

Any object with a method `write` is a sink; see `Sink`. The built-in ones are loaded when they are used, so that
importing this package costs the traced process nothing.
"""

from __future__ import annotations

from ..lazy import load_when_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import Sink
    from .callback import CallbackSink
    from .fan_out import FanOutSink
    from .jsonl import JsonLinesSink, as_json
    from .logging import LoggingSink
    from .memory import MemorySink
    from .trace_file import TraceFileSink
else:
    __getattr__, __dir__ = load_when_used(
        __name__,
        {
            "base": ("Sink",),
            "callback": ("CallbackSink",),
            "fan_out": ("FanOutSink",),
            "jsonl": ("JsonLinesSink", "as_json"),
            "logging": ("LoggingSink",),
            "memory": ("MemorySink",),
            "trace_file": ("TraceFileSink",),
        },
    )

__all__ = [
    "CallbackSink",
    "FanOutSink",
    "JsonLinesSink",
    "LoggingSink",
    "MemorySink",
    "Sink",
    "TraceFileSink",
    "as_json",
]
