"""`Session`: probes and a sink, joined while it is on. `switch` makes it."""

from __future__ import annotations

import copyreg
import os
import sys
from collections.abc import Sequence
from time import perf_counter_ns, time_ns
from types import TracebackType
from typing import TYPE_CHECKING

from .._version import __version__
from ..config import Settings
from ..errors import warn
from ..foreign_errors import enter_without_signals, is_the_programs
from ..probes.attribution import Attribution
from ..probes.base import Probe, ProbeContext
from ..probes.governor import Governor
from ..records import SCHEMA_VERSION, Note, Record, SessionBegin, SessionEnd
from ..redaction import Redactor
from ..sinks.base import Sink
from ..system.counter_slack import counter_slack
from ..system.meters import open_meter
from ..tracing import active, current_tracer, names
from . import workers
from .description import described_command, described_settings
from .probe_set import ProbeSet
from .recorders import make_phase_recorder
from .sink_guard import SinkGuard

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tracing.span import Tracer
    from .control import SnapshotSignal

_TRIES = 100  # to stop, while a signal handler raises again and again
_told: set[str] = set()  # paths of files that were there already, each told of once


class Session:
    """A session that is on. `session` and `start` make it; it ends with its block, by `stop`, or with the process.

    It is on after `begin`.

    Args:
        settings: complete settings.
        sink: where the records go.
        probes: the instruments, the outermost first.
        ended: called with the session as soon as it is no longer on.
        session_id: the id of the session to join as a worker; by default the session is a new one.
        of_family: which processes belong together; see `system.family`.

    Attributes:
        id: the session's id, the same in all of its processes.
        inherited: whether it was started in a worker because the parent process has a session.
    """

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        probes: Sequence[Probe],
        ended: Callable[[Session], None],
        session_id: str | None = None,
        of_family: str = "",
    ) -> None:
        self.id = session_id or getattr(sink, "session_id", None) or os.urandom(8).hex()
        self._ended = ended
        self._family = of_family
        self._first_path: str | None = None
        self._is_first = session_id is None
        self.inherited = False
        self._settings = settings
        self._redactor = Redactor(settings.redact)
        self._stopped = self._in_snapshot = self._is_stopping = False
        self._sink = SinkGuard(sink)
        self._own_sink = sink
        self._meter = open_meter(exact_peak=settings.exact_peak)
        production = settings.mode == "production"
        max_overhead = settings.max_overhead / 2 if production else None
        self._governor = Governor(max_overhead)
        self._attribution = Attribution()
        self._probes = ProbeSet(warn)
        self._wanted = list(probes)
        self._probe_names = [probe.name for probe in probes]
        # Before the probes start: they would take the modules that it loads for imports of the program's.
        self._recorder = make_phase_recorder(
            self._sink.emit,
            self._probes,
            self._meter,
            exact_peak=settings.exact_peak,
            redact=self._redactor.attributes,
            on_failure=self._recorder_failed,
            window=self._sink.window,
            max_overhead=max_overhead,
        )
        self._signal: SnapshotSignal | None = None
        self._lifetime: workers.Lifetime | None = None
        self._previous_tracer: Tracer | None = None
        self._end: tuple[int, int, int] | None = None
        # What a stop has yet to do: it may be interrupted anywhere, and so may `begin`.
        self._steps = [
            self._leave_phases,
            self._finish,
            self._stop_probes,
            self._record_end,
            self._sink.close,
            self._meter.close,
            self._withdraw,
            self._forget,
        ]

    def begin(self) -> None:
        """Switch everything on. If this raises, `stop` takes back what was done.

        Raises:
            ProbeUnavailable: if a probe named in the setting `required` cannot work here.
        """
        settings = self._settings
        self._record_begin()
        self._probes.start(self._wanted, self._context())
        self._tell_other_name()
        if settings.snapshot_signal:
            from .control import SnapshotSignal

            self._signal = SnapshotSignal(settings.snapshot_signal, self.snapshot)
        self._lifetime = workers.Lifetime(self._after_fork, self.stop)
        if self._sink.path is not None and self._is_first:
            self._first_path = getattr(self._own_sink, "first_path", self._sink.path)
            workers.announce(self.id, settings, self._first_path, getattr(self._own_sink, "asked", ""))
        copyreg.pickle(type(self._recorder), current_tracer.reduce)
        names.use(self._redactor.text)
        self._previous_tracer = active.installed()  # there is one if FWMEMTRACE_MARKERS is set
        active.install(self._recorder)

    @property
    def path(self) -> str | None:
        """The absolute path of the trace file; None if the sink writes none."""
        return self._sink.path

    @property
    def lost_records(self) -> int:
        """The number of records that did not reach the sink."""
        return self._sink.lost

    @property
    def trouble(self) -> str | None:
        """Why records did not reach the sink: what it raised, or that it had no room; None if all of them did."""
        return self._sink.trouble

    def record(self, record: Record) -> None:
        """Write a record of the caller's own into the trace; never raises."""
        self._sink.emit(record)

    def snapshot(self, reason: str = "asked for") -> None:
        """Write into the trace where all threads are and what the Python heap consists of; never raises.

        Args:
            reason: why, for the report.
        """
        if self._stopped or self._in_snapshot:  # a signal handler may ask for another one
            return
        self._in_snapshot = True
        try:
            self._probes.snapshot(reason)
        finally:
            self._in_snapshot = False

    @enter_without_signals
    def stop(self) -> None:
        """Switch everything off and complete the trace. A second call does nothing."""
        if self._is_stopping:  # this is a signal handler, or another thread
            return
        try:
            self._is_stopping = self._stopped = True
            self._take_steps()
        finally:
            self._is_stopping = False

    @enter_without_signals
    def _take_steps(self, tries: int = _TRIES) -> None:
        """Take each step whatever becomes of the others: the program goes on, and nothing of ours may stay behind.

        Args:
            tries: how often a step that a signal handler's exception interrupts is taken anew.
        """
        try:
            while self._steps:
                try:
                    self._steps[0]()
                except Exception as error:
                    if is_the_programs(error):
                        raise
                    warn(f"stopping the session raised {error!r}")
                del self._steps[0]
        finally:
            if self._steps:  # the exception goes on when all is done
                if not tries:
                    del self._steps[0]
                self._take_steps(tries - 1 if tries else 0)

    def _leave_phases(self) -> None:
        if active.installed() is self._recorder:
            active.install(self._previous_tracer)
        if self._signal is not None:
            self._signal.close()

    def _finish(self) -> None:
        self._end = self._recorder.finish()

    def _stop_probes(self) -> None:
        self._probes.stop()

    def _record_end(self) -> None:
        if self._end is not None:
            now, rss, peak = self._end
            errors = dict(self._probes.errors)
            self._sink.emit(SessionEnd(now, rss, max(peak, self._meter.peak_before), self._sink.lost, errors))

    def _withdraw(self) -> None:
        workers.withdraw(self.id, self._first_path)

    def _forget(self) -> None:
        """End the session for the process, last: another one must not begin in the middle of this."""
        self._ended(self)
        if self._lifetime is not None:
            self._lifetime.over()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _record_begin(self) -> None:
        """Write the first record, with readings from before any probe could move them."""
        settings = self._settings
        rss = self._meter.rss()
        self._sink.emit(
            SessionBegin(
                schema=SCHEMA_VERSION,
                session_id=self.id,
                pid=os.getpid(),
                parent_pid=os.getppid(),
                version=__version__,
                python=sys.version.partition(" ")[0],
                platform=sys.platform,
                command=described_command(settings, self._redactor),
                started_unix_ns=time_ns(),
                time_ns=perf_counter_ns(),
                rss_bytes=rss,
                peak_rss_bytes=max(rss, self._meter.peak_before),
                peak_source=self._meter.peak_source,
                probes=self._probe_names,
                settings=described_settings(settings, self._redactor),
                service=self._redactor.text(settings.service),
                instance=self._redactor.text(settings.instance),
                labels=self._redactor.labels(settings.labels),
                host=os.uname().nodename if hasattr(os, "uname") else "",
                family=self._family,
                counter_slack_bytes=counter_slack(),
            )
        )

    def _tell_other_name(self) -> None:
        """Say so if the trace file has another name than the one that was asked for. Nobody asks for a worker's."""
        asked, first = getattr(self._own_sink, "asked", None), getattr(self._own_sink, "first_path", None)
        if asked is None or asked == first or not self._is_first:
            return
        message = f"{asked} exists already and is kept: this trace is {first}; overwrite=True, or `run -f`, replaces it"
        self._sink.emit(Note(perf_counter_ns(), "session", self._redactor.text(message)))
        if asked not in _told:
            _told.add(asked)
            warn(message)

    def _context(self) -> ProbeContext:
        path = self._sink.path

        def delivered() -> bool:
            return self._sink.failure is None and self._sink.path == path

        return ProbeContext(
            self._sink.emit,
            self._settings,
            path,
            self._meter,
            self._governor,
            self._attribution,
            delivered,
            self._redactor.text,
            getattr(self._recorder, "tick", _nothing),
        )

    def _after_fork(self) -> None:
        """This is a forked worker: go on in a trace of its own, inside the phases that were open at the fork."""
        try:
            if workers.is_about_to_exec() or self._stopped:
                self.leave_to_parent()
            else:
                self._go_on_in_worker()
        except Exception as error:
            warn(f"this worker is not traced: {error!r}")
            self.leave_to_parent()

    def leave_to_parent(self) -> None:
        """In a forked child: give the session up. The parent goes on with it, and this process is not traced."""
        self._stopped, self._steps = True, []
        self._forget()
        active.install(None)
        self._recorder.forget()
        self._sink.forget()
        self._meter.forget()

    def _go_on_in_worker(self) -> None:
        self._sink.after_fork(os.getpid())  # first: what follows may be measured, and that file is the parent's
        if self._sink.failure is not None:
            self.leave_to_parent()
            return
        self._meter.forget()
        self._meter = open_meter(exact_peak=self._settings.exact_peak)
        self._governor.after_fork()
        self._record_begin()
        self._probes.after_fork(self._context())
        self._recorder.after_fork(self._meter)

    def _recorder_failed(self, error: BaseException) -> None:
        message = f"phases are no longer recorded: reading the memory of this process raised {error!r}"
        self._sink.emit(Note(perf_counter_ns(), "session", self._redactor.text(message)))
        warn(message)


def _nothing() -> None:
    pass
