"""Makes the recorder of phases for a session: the one place that chooses an implementation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import core
from ..probes.base import Emit
from ..system.meter import Meter
from .phase_recorder import PhaseRecorder
from .probe_set import ProbeSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .phase_recorder import Redact
    from .recorder import Recorder


def make_phase_recorder(
    emit: Emit,
    probe_set: ProbeSet,
    meter: Meter,
    *,
    exact_peak: bool,
    redact: Redact,
    on_failure: Callable[[BaseException], None],
    window: Callable[[], object] | None = None,
    max_overhead: float | None = None,
) -> Recorder:
    """Return the recorder that a session installs as the tracer of its process.

    Args:
        emit: writes a record to the trace.
        probe_set: the session's probes.
        meter: reads the memory of this process.
        exact_peak: whether to read the high-water mark at every edge.
        redact: returns attributes without secrets.
        on_failure: called with the first error of the recorder, after which phases are no longer recorded.
        window: returns where the sink has frames copied to; see `compiled_recorder`.
        max_overhead: the largest share of the time that it may take, for which it samples calls; None for all calls.
    """
    make: Callable[..., PhaseRecorder] = PhaseRecorder
    if core.load()[0] is not None:
        from .compiled_recorder import CompiledRecorder, is_possible

        if is_possible():
            make = partial(CompiledRecorder, window=window or _no_window)
    recorder = make(emit, probe_set, meter, exact_peak=exact_peak, redact=redact, on_failure=on_failure)
    if max_overhead is None:
        return recorder
    from .sampling import SamplingRecorder

    return SamplingRecorder(recorder, emit, max_overhead)


def _no_window() -> None:
    pass
