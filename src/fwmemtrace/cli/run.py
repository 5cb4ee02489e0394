"""`run`: traces a program."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..recording.session import Session, session
from .program import Program, load_module, load_script

_PROBES = ("resident", "imports", "mappings")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "run",
        help="trace a program",
        usage="fwmemtrace run [-o trace.bin] [--probes NAME,...] [--report] script.py|-m module [args ...]",
        description="Run a program with a session on. Its imports and definitions are the phase `import`, the rest "
        "the phase `main`; phases of its own lie within. The exit status is the program's.",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the trace file, trace.bin by default")
    parser.add_argument(
        "--probes", metavar="NAME,...", help=f"{','.join(_PROBES)} by default; all for all that work here"
    )
    parser.add_argument("--native-traces", action="store_true", default=None, help="record C and C++ frames too")
    parser.add_argument("--report", action="store_true", help="print the text report when the program has ended")
    parser.add_argument("-m", dest="module", action="store_true", help="the program is a module")
    parser.add_argument("program", metavar="script.py|module")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Trace the program; the exit status is its own."""
    program = (load_module if arguments.module else load_script)(arguments.program)
    tracing = session(
        arguments.output,
        probes=arguments.probes or _PROBES,
        native_traces=arguments.native_traces,
    )
    try:
        with _stopped_by_sigterm(tracing):
            status = _traced(program, arguments.args)
    finally:
        tracing.stop()
    if arguments.report and tracing.path is not None:
        sys.stdout.flush()
        from .report import print_report

        print_report([tracing.path])
    return status


@contextmanager
def _stopped_by_sigterm(tracing: Session) -> Iterator[None]:
    """Complete the trace when SIGTERM ends the program, as it ends services; the program ends by it all the same.

    A handler of the program's own takes this one's place. Servers that shut down in order raise the signal again for
    the handler that was there before them: then it is this one's turn. Forked workers inherit it.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once
        tracing.stop()
        signal.raise_signal(number)

    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is stop:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _traced(program: Program, args: list[str]) -> int:
    """Run the program as the interpreter would, down to what it says of an uncaught exception."""
    try:
        program.run(args)
    except SystemExit as stop:
        return _status(stop.code)
    except BaseException as error:
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_globals is not program.namespace:
            traceback = traceback.tb_next  # our own frames are none of the program's business
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _status(code: object) -> int:
    """What the interpreter makes of `sys.exit(code)`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1
