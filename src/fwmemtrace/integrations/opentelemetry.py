"""OpenTelemetry: a sink that makes spans of phases, or adds to the current span, and records metrics.

    session(FanOutSink(TraceFileSink("trace.bin"), OpenTelemetrySink()))

Names follow the semantic conventions where there are any: `process.memory.usage`, `process.memory.virtual` and
`cpython.gc.*`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from opentelemetry import metrics, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from .._version import __version__
from ..paths import encodable
from ..records import Note, PhaseAttributes, PhaseBegin, PhaseEnd, Record, Sample, SessionBegin
from .bounded_paths import BoundedPaths

if TYPE_CHECKING:
    from ..values import Scalar

__all__ = ["OpenTelemetrySink"]

DELTA, PEAK, AFTER, PATH = (
    "fwmemtrace.rss.delta",
    "fwmemtrace.rss.peak",
    "fwmemtrace.rss.after",
    "fwmemtrace.phase.path",
)
_NAME = "fwmemtrace"


class OpenTelemetrySink:
    """Sends phases as spans, and memory as metrics. All sizes are in bytes.

    Args:
        tracer_provider: the global one by default.
        meter_provider: the global one by default.
        spans: "new" for a span for each phase, whose parent is that of the enclosing phase or else the current span;
            "current" to add the figures of outermost phases to the span that is current when they begin; "none".
        most_phases: how many phases have a value of their own as an attribute of metrics; the others are "other".
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        spans: Literal["new", "current", "none"] = "new",
        most_phases: int = 100,
    ) -> None:
        if spans not in ("new", "current", "none"):
            raise ValueError(f"spans={spans!r}: must be 'new', 'current' or 'none'")
        self._kind = spans
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        self._spans: dict[int, Span] = {}
        self._paths = BoundedPaths(most_phases)
        self._to_unix_ns = 0  # what to add to a record's time, which is of the monotonic clock
        self._rss = self._vms = 0
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        meter.create_observable_up_down_counter(
            "process.memory.usage", [lambda _: [Observation(self._rss)]], "By", "Resident memory of the process"
        )
        meter.create_observable_up_down_counter(
            "process.memory.virtual", [lambda _: [Observation(self._vms)]], "By", "Address space of the process"
        )
        for name, unit, key in (
            ("collections", "{collection}", "collections"),
            ("collected_objects", "{object}", "collected"),
            ("uncollectable_objects", "{object}", "uncollectable"),
        ):
            meter.create_observable_counter(f"cpython.gc.{name}", [_collector(key)], unit)
        self._phase_peak = meter.create_histogram("fwmemtrace.phase.peak", "By", "Highest RSS while a phase ran")
        self._phase_delta = meter.create_histogram("fwmemtrace.phase.delta", "By", "Change of RSS over a phase")

    def write(self, record: Record) -> None:
        """Take one record."""
        if isinstance(record, PhaseBegin):
            self._phase_begin(record)
        elif isinstance(record, PhaseAttributes):
            span = self._spans.get(record.span)
            if span is not None:
                span.set_attributes(_encodable(record.attributes))
        elif isinstance(record, PhaseEnd):
            self._phase_end(record)
        elif isinstance(record, Sample):
            self._rss, self._vms = record.rss_bytes, record.vms_bytes
        elif isinstance(record, SessionBegin):
            self._to_unix_ns = record.started_unix_ns - record.time_ns
            self._rss = record.rss_bytes
        elif isinstance(record, Note):
            note = _encodable({"message": record.message, "source": record.source})
            trace.get_current_span().add_event("fwmemtrace.note", note)

    def after_fork(self, pid: int) -> None:
        """This is a forked child: the open spans are its parent's."""
        self._spans = {}
        self._paths.clear()

    def _phase_begin(self, record: PhaseBegin) -> None:
        label = self._paths.begin(record)
        self._rss = record.rss_bytes
        if self._kind == "current":
            if not record.parent and trace.get_current_span().is_recording():
                self._spans[record.span] = trace.get_current_span()
        elif self._kind == "new":
            parent = self._spans.get(record.parent)
            self._spans[record.span] = self._tracer.start_span(
                encodable(record.name),
                None if parent is None else trace.set_span_in_context(parent),
                attributes={**_encodable(record.attributes or {}), PATH: label},
                start_time=record.time_ns + self._to_unix_ns,
            )

    def _phase_end(self, record: PhaseEnd) -> None:
        self._rss = record.rss_bytes
        found = self._paths.end(record.span)
        span = self._spans.pop(record.span, None)
        if found is None:
            return
        label, begin = found
        delta = record.rss_bytes - begin.rss_bytes
        context = None
        if span is not None:
            span.set_attributes({DELTA: delta, PEAK: record.peak_rss_bytes, AFTER: record.rss_bytes})
            context = trace.set_span_in_context(span)  # an exemplar points from the histogram to this span
            if self._kind == "new":
                if record.error is not None:
                    error = encodable(record.error)
                    span.set_attribute("error.type", error)
                    span.set_status(Status(StatusCode.ERROR, error))
                span.end(record.time_ns + self._to_unix_ns)
        attributes = {"fwmemtrace.phase": label}
        self._phase_peak.record(record.peak_rss_bytes, attributes, context)
        self._phase_delta.record(delta, attributes, context)


def _encodable(attributes: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return attributes without lone surrogates: exporters drop a whole batch for a span that they cannot encode."""
    return {encodable(key): encodable(value) if isinstance(value, str) else value for key, value in attributes.items()}


def _collector(key: str) -> Any:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        for generation, figures in enumerate(gc.get_stats()):
            yield Observation(figures[key], {"cpython.gc.generation": generation})

    return observe
