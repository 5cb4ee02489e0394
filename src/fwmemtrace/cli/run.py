"""`run`: runs a program in a session."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..recording.session import Session
from ..recording.switch import session
from ..units import parse_duration
from .program import Program, load_code, load_module, load_script

_PROBES = ("resident", "imports", "mappings")
_EXAMPLES = """examples:
  fwmemtrace run service.py --port 8000               what follows the script is its own
  fwmemtrace run --probes native -m pytest tests      a module, with native allocations
  fwmemtrace run -f -o memory.bin --report service.py the report at the end; replaces memory.bin"""
_SHORT_CALLS = "FWMEMTRACE_SHORT_CALLS"  # a service should not find a profile function; a program may


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "run",
        help="run a program and trace it",
        usage="fwmemtrace run [-o trace.bin] [--probes NAME,...] [--report | --deep] "
        "script.py|-m module|-c code [args ...]",
        description="Run a program in a session. Its imports and definitions run in the phase `import`, the rest in "
        "the phase `main`; its own phases lie within these. The exit status is the program's.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the trace file to write (default: trace.bin)")
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        default=None,
        help="replace an existing trace file; otherwise the new one gets a number, such as trace-2.bin",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print where the trace is")
    probes = parser.add_mutually_exclusive_group()
    probes.add_argument(
        "--probes",
        metavar="NAME,...",
        help=f"probes to use besides {','.join(_PROBES)}; `all` for all but python_heap",
    )
    probes.add_argument("--only-probes", metavar="NAME,...", help="probes to use in place of these")
    parser.add_argument("--native-traces", action="store_true", default=None, help="record C and C++ stack frames")
    parser.add_argument(
        "--interval",
        metavar="TIME",
        help="time between two points of the timeline, such as 10ms; 0 for no timeline (default: 50ms)",
    )
    parser.add_argument("--report", action="store_true", help="print the text report when the program ends")
    parser.add_argument(
        "--deep",
        action="store_true",
        help="run the program again with each probe that the first run asks for, and print one report of all",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("-m", dest="module", action="store_true", help="run a module, as `python -m` does")
    form.add_argument("-c", dest="code", action="store_true", help="run code, as `python -c` does")
    parser.add_argument("program", metavar="script.py|module|code", help="the program to run")
    parser.add_argument("args", metavar="args", nargs=argparse.REMAINDER, help="its arguments")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Trace the program; the status is the program's."""
    if arguments.deep:
        from .deep import run_deep

        return run_deep(arguments)
    load = load_module if arguments.module else load_code if arguments.code else load_script
    program = load(arguments.program)
    with _warnings_as_lines():
        tracing = session(
            arguments.output,
            probes=_probes(arguments),
            overwrite=arguments.force,
            interval=None if arguments.interval is None else parse_duration(arguments.interval),
            native_traces=arguments.native_traces,
            short_calls=None if _SHORT_CALLS in os.environ else True,
        )
    folder = _current_folder()  # the program may go elsewhere
    try:
        with _stopped_by_sigterm(tracing):
            status = _traced(program, arguments.args)
    finally:
        tracing.stop()
    if arguments.report and tracing.path is not None:
        sys.stdout.flush()
        from .report import print_report

        print_report([tracing.path])
    if tracing.path is not None and not arguments.quiet:
        from .output import tell_place  # only now that the program has ended: it imports much

        tell_place(tracing.path, folder, reported=arguments.report)
    return status


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print warnings without a line of code: here it would be one of ours."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for each in caught:
        print(each.message, file=sys.stderr)


def _current_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _probes(arguments: argparse.Namespace) -> list[str]:
    only: str | None = arguments.only_probes
    named: str = only if only is not None else arguments.probes or ""
    return [*(_PROBES if only is None else ()), *named.replace(",", " ").split()]


@contextmanager
def _stopped_by_sigterm(tracing: Session) -> Iterator[None]:
    """Completes the trace when SIGTERM ends the program, as it does with services.

    The program still ends by the signal, and can replace this handler with its own. Servers that shut down gracefully
    raise the signal again for the handler that they found, which is this one. Forked workers inherit it.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second SIGTERM ends the program at once
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
    """Run the program as the interpreter would, with the same output for an uncaught exception."""
    try:
        program.run(args)
    except SystemExit as stop:
        return _status(stop.code)
    except BaseException as error:
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_frame.f_globals is not program.namespace:
            traceback = traceback.tb_next  # leave out our own frames
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _status(code: object) -> int:
    """Return the exit status that the interpreter gives to `sys.exit(code)`."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    print(code, file=sys.stderr)
    return 1
