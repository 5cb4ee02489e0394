"""Runs a suite: every component in fresh processes, each for one purpose, into one trace."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from glob import escape
from pathlib import Path

from ..errors import SuiteError, TraceFileError, unknown_name
from ..recording.switch import session
from ..records import SuiteBegin, SuiteEnd, SuiteMember
from ..trace import read
from .fresh_process import bare_rss, list_components
from .limits import find_cgroup
from .passes import Passes, Progress
from .protocol import SuiteEntry
from .schedule import Schedule
from .settings import SuiteSettings
from .work_folder import work_folder


class SuiteRunner:
    """One run of a suite.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        trace: the trace file to write; the traces of its processes lie next to it.
        settings: what to run.
        progress: shows how far the suite is.

    Attributes:
        started: whether the trace file is that of this run.
    """

    def __init__(self, spec: str, trace: Path, settings: SuiteSettings, progress: Progress) -> None:
        self.started = False
        self._spec = spec
        self._trace = trace
        self._settings = settings
        self._progress = progress

    def run(self) -> None:
        """Runs all processes.

        Raises:
            SuiteError: if the suite cannot be read.
            SinkError: if the trace cannot be written.
        """
        settings = self._settings
        with work_folder() as folder:
            self._progress(0, 0, f"reading {self._spec}", 0)
            listing = list_components(self._spec, Path(folder), settings.timeout)
            chosen = self._chosen(listing.entries)
            _remove_worker_traces(self._trace)
            cgroup = find_cgroup() if settings.memory_limit else None
            limited_by = "" if not settings.memory_limit else "RLIMIT_AS" if cgroup is None else cgroup.how
            with session(str(self._trace), probes=["resident"], interval=0, overwrite=True) as recording:
                self.started = True
                bare = bare_rss()
                purposes = settings.purposes(list(chosen.values()))
                begin = SuiteBegin(
                    file=self._spec,
                    repeat=settings.repeat,
                    timeout_ns=round((settings.timeout or 0) * 1e9),
                    memory_limit_bytes=settings.memory_limit,
                    limited_by=limited_by,
                    budget_bytes=settings.budget,
                    bare_rss_bytes=bare,
                    measure=settings.measure,
                    least_agreement=settings.least_agreement,
                    purposes=purposes,
                )
                recording.record(begin)
                for position, entry in chosen.items():
                    recording.record(
                        SuiteMember(entry.name, position, entry.inputs, entry.batch, entry.variants, entry.problem)
                    )
                passes = Passes(
                    self._spec,
                    self._trace,
                    recording,
                    Path(folder),
                    repeat=settings.repeat,
                    timeout=settings.timeout,
                    memory_limit=settings.memory_limit,
                    cgroup=cgroup,
                    progress=self._progress,
                )
                sound = {position: entry for position, entry in chosen.items() if not entry.problem}
                schedule = Schedule(passes, recording, self._spec, Path(folder), settings, bare, purposes)
                try:
                    schedule.run(sound, listing.service_variants)
                except BaseException as error:
                    recording.record(SuiteEnd(_reason(error), schedule.missing))
                    raise
                recording.record(SuiteEnd("", []))

    def _chosen(self, entries: Sequence[SuiteEntry]) -> dict[int, SuiteEntry]:
        """Returns the components to run by their position.

        Raises:
            SuiteError: if one that was asked for does not exist.
        """
        names = [entry.name for entry in entries]
        only = self._settings.only
        for name in only:
            if name not in names:
                raise SuiteError(unknown_name("component", name, names))
        return {at: entry for at, entry in enumerate(entries) if not only or entry.name in only}


def _reason(error: BaseException) -> str:
    """Returns what ended the suite early: the name of a signal, or an error message."""
    if isinstance(error, KeyboardInterrupt):
        return "SIGINT"
    if isinstance(error, SystemExit) and isinstance(error.code, int):  # see `cli.termination`
        with suppress(ValueError):
            return signal.Signals(error.code - 128).name
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _remove_worker_traces(trace: Path) -> None:
    """Removes the traces of the processes of an earlier suite, which this one's trace file replaces."""
    with suppress(TraceFileError, OSError):
        old = read(trace)
        for file in old.files[1:]:
            # With those of its own workers, and the capture that a killed one leaves.
            for path in file.path.parent.glob(f"{escape(file.path.stem)}.*"):
                path.unlink(missing_ok=True)
