"""`run --deep`: runs a program in fresh processes, once as usual and once with each probe that this asks for.

One at a time, so that no probe disturbs another, and the first run is as light as ever.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import load
from ..errors import SettingsError
from ..recording.workers import free_path
from ..trace import read
from ..trace.deep import LABEL, deep_path
from ..values import visible
from .output import tell_place
from .report import print_report
from .termination import orderly_termination

_INTERRUPTED = 130


def run_deep(arguments: argparse.Namespace) -> int:
    """Run the program as often as it takes, and print the report of all runs; the status is that of the first."""
    settings = load({"target": arguments.output})
    if settings.sink != "trace_file":
        raise SettingsError(f"--deep reads the trace of each run, which the sink {settings.sink!r} does not write")
    asked = Path(settings.target or "trace.bin")
    trace = asked if arguments.force else free_path(asked)
    options = [
        *(["--probes", arguments.probes] if arguments.probes is not None else []),
        *(["--only-probes", arguments.only_probes] if arguments.only_probes is not None else []),
        *(["--native-traces"] if arguments.native_traces else []),
        *(["--interval", arguments.interval] if arguments.interval is not None else []),
    ]
    form = ["-m"] if arguments.module else ["-c"] if arguments.code else []
    program = [*form, arguments.program, *arguments.args]
    with orderly_termination():
        before = _last_write(trace)
        status = _run(trace, options, program, {})
        if _last_write(trace) == before or status == _INTERRUPTED:  # there is no trace of this run
            return status
        if trace != asked:
            message = f"{asked} exists already and is kept: this trace is {trace}; `run -f` replaces it"
            print(f"fwmemtrace: {visible(message)}", file=sys.stderr)
        _run_again(trace, program)
        print_report([str(trace)])
        if not arguments.quiet:
            tell_place(trace, None, reported=True)
    return status


def _last_write(trace: Path) -> tuple[int, int] | None:
    try:
        status = trace.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _run_again(trace: Path, program: Sequence[str]) -> None:
    first = read(trace)
    session, summary = first.processes[0].session(), first.summary().summary
    if session is None or summary is None:
        return
    labels = f"{os.environ.get('FWMEMTRACE_LABELS', '')},{LABEL}={session.session_id}"
    runs = summary.next_runs
    for number, run in enumerate(runs, 2):
        print(f"fwmemtrace: run {number} of {len(runs) + 1}, with the probe {run.probe}", file=sys.stderr, flush=True)
        path = deep_path(trace, run.probe)
        status = _run(path, ["--only-probes", run.probe, *run.options], program, {"FWMEMTRACE_LABELS": labels})
        if status:
            print(f"fwmemtrace: that run ended with status {status}", file=sys.stderr, flush=True)
        if status == _INTERRUPTED:
            return


def _run(trace: Path, options: Sequence[str], program: Sequence[str], variables: dict[str, str]) -> int:
    """Run the program in a fresh process and return its exit status, as a shell reports it."""
    command = [sys.executable, *_interpreter_flags(), "-m", "fwmemtrace", "run", "-fqo", str(trace), *options, *program]
    sys.stdout.flush()
    process = subprocess.Popen(command, env={**os.environ, **variables})
    try:
        status = process.wait()
    except BaseException:  # a signal: the child completes its trace
        process.terminate()
        process.wait()
        raise
    return status if status >= 0 else 128 - status


def _interpreter_flags() -> list[str]:
    """Return the interpreter's own options, such as `-X dev`: those between its name and the program's."""
    words = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv) + 1]  # up to and with the program's name
    return words[: -2 if words[-2:-1] == ["-m"] else -1]
