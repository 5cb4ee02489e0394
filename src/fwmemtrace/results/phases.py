"""The phase table: a row for each phase path and process, with what each probe measured."""

from __future__ import annotations

from .base import PhaseResult, Result
from .heap import Heap
from .native import Native
from .objects import Collector, Objects
from .python_heap import PythonHeap
from .tensors import Tensors


class Resident(Result, kw_only=True):
    """RSS over a phase, phases inside it included. `before`, `after` and `peak` are absolute."""

    before_bytes: int  # RSS when the first call began
    after_bytes: int  # RSS when the latest call ended
    delta_bytes: int  # RSS change: after less before, summed over the calls
    peak_bytes: int  # peak RSS during any call
    tracer_bytes: int = 0  # part of `delta_bytes`: left resident by probes at the edges of phases inside this one


class PhaseRow(PhaseResult, kw_only=True):
    """All calls of the phases of one path in one process."""

    pid: int  # process id
    calls: int  # number of calls that began
    errors: int  # number of calls that ended with an exception
    wall_ns: int  # time from start to end, summed over the calls
    resident: Resident | None  # RSS; null only for a phase that is in a capture and not in the trace
    native: Native | None = None  # from the probe `native`
    python_heap: PythonHeap | None = None  # from the probe `python_heap`
    objects: Objects | None = None  # from the probe `objects`
    tensors: Tensors | None = None  # from the probe `tensors`
    error_types: dict[str, int] = {}  # number of calls by the type of the exception that ended them
    attributes: dict[str, str | int | float | bool] = {}  # attributes of the first call
    attribute_calls: dict[str, dict[str, int]] = {}  # number of ended calls by value, for attributes of up to 16 values
    unmeasured_calls: int = 0  # number of calls that were only counted, in production mode: no memory is known of them
    open_calls: int = 0  # number of calls that had not ended when the records stop
    collector: Collector | None = None  # from the probe `collector`
    heap: Heap | None = None  # from the probe `heap`
