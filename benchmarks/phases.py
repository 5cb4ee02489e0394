"""What a phase costs: with no session on, and written to a trace file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

import fwmemtrace
from benchmarks.harness import Pair, Row, time_statements
from fwmemtrace import core, phase

# Many short turns rather than few long ones: on a shared machine most of them run undisturbed, and those count.
_CALLS, _TRACED = 20_000, 1_000
_TURNS = 51
_GROWTH = 64_000_000


def _function() -> None:
    pass


def _passed_through(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@contextmanager
def _nothing() -> Any:
    yield


def run() -> list[Row]:
    """Compare each with the least that could do the same job."""
    names = {
        "phase": phase,
        "decorated": phase("decorated")(_function),
        "passed_through": _passed_through(_function),
        "nothing": _nothing,
        "process": psutil.Process(),
    }
    decorated = time_statements("decorated()", "passed_through()", names, number=_CALLS, rounds=_TURNS)
    block = time_statements("with phase('x'): pass", "with nothing(): pass", names, number=_CALLS, rounds=_TURNS)
    traced = []
    for compiled, targets in ((True, (0.25, 0.6)), (False, (0.8, 1.4))):
        if compiled and core.load()[0] is None:
            continue
        where = "compiled" if compiled else "without the core"
        for exact_peak, target in zip((False, True), targets, strict=True):
            what = "the same with exact peak" if exact_peak else "phase to trace.bin"
            pair = _traced(names, exact_peak=exact_peak, compiled=compiled)
            traced.append(Row(f"{what}, {where} / psutil memory_info()", *pair, target=target, unit="ns"))
    return [
        Row("decorated call, no session / empty wrapper", *decorated, target=1.1, unit="ns"),
        Row("with phase(), no session / no-op @contextmanager", *block, target=0.25, unit="ns"),
        *traced,
    ]


def _traced(names: dict[str, Any], *, exact_peak: bool, compiled: bool) -> Pair:
    # As in a service: inside an outer phase (an outermost one may read USS and PSS too), and in a process that has
    # grown since the session began, which is when the high-water mark can be had from getrusage.
    os.environ[core.VARIABLE] = "1" if compiled else "0"  # this process runs nothing else
    with tempfile.TemporaryDirectory() as folder:
        with fwmemtrace.session(Path(folder) / "trace.bin", exact_peak=exact_peak, overwrite=True), phase("outer"):
            model = bytearray(_GROWTH)
            pair = time_statements(
                "with phase('x'): pass", "process.memory_info()", names, number=_TRACED, rounds=_TURNS
            )
            del model
            return pair
