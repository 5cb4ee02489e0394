"""`imports`: measures what importing modules costs, in an interpreter that has imported nothing else."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .. import results
from ..analysis.import_cost import import_cost
from ..analysis.worker_forecast import with_workers
from ..errors import ProgramError, SettingsError, unknown_name
from ..recording.child_environment import untraced_environment
from ..trace import read
from . import output as out

_TOP = 30
_FORMATS = ("text", "markdown", "html", "json")
# The child's output goes to our stderr, since stdout is for the report. The reason for a failed import goes to a file.
_CHILD = """
import sys
from fwmemtrace import phase
from fwmemtrace.recording.switch import session
from importlib import import_module
trace, failure, *modules = sys.argv[1:]
sys.argv[1:] = []
with session(trace, probes=("imports", "mappings"), interval=0):
    for module in modules:
        with phase("import " + module):
            try:
                import_module(module)
            except BaseException as error:
                with open(failure, "w", encoding="utf-8") as file:
                    print(module, type(error).__name__, str(error).partition("\\n")[0], sep="\\n", file=file)
                break
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "imports",
        help="show what importing modules costs",
        description="Import modules in a fresh interpreter, one after another, and show the RSS and time that each "
        "module adds: its own, and with all that it imports.",
    )
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="the full name of a module")
    parser.add_argument("--top", type=int, default=_TOP, metavar="N", help=f"modules shown (default: {_TOP})")
    parser.add_argument("--depth", type=int, metavar="N", help="levels of the tree shown (default: all)")
    parser.add_argument("--workers", type=int, metavar="N", help="show the estimated total for N worker processes")
    parser.add_argument(
        "--format",
        type=_format,
        metavar="text|markdown|html|json",
        default="text",
        help="the output format (default: text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    parser.add_argument("--trace", metavar="FILE", help="keep the trace in this file")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    for name in ("top", "depth", "workers"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name} {value}: must be at least 1")
    with tempfile.TemporaryDirectory(prefix="fwmemtrace") as folder:
        trace = Path(arguments.trace) if arguments.trace is not None else Path(folder, "trace.bin")
        _import(trace, Path(folder, "failure"), arguments.modules)
        cost = _cost(trace, arguments.modules, arguments.workers)
    out.write(_text(cost, arguments), arguments.output)
    return 0


def _format(name: str) -> str:
    if name not in _FORMATS:
        raise argparse.ArgumentTypeError(unknown_name("format", name, _FORMATS))
    return name


def _import(trace: Path, failure: Path, modules: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _CHILD, str(trace), str(failure), *modules],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env=untraced_environment(),
        check=False,
    )
    if failure.exists():
        module, kind, message = failure.read_text(encoding="utf-8").splitlines()
        raise ProgramError(f"{sys.executable} cannot import {module}: {f'{kind}: {message}'.removesuffix(': ')}")
    names = " ".join(modules)
    if process.returncode < 0:
        killer = signal.Signals(-process.returncode).name
        raise ProgramError(f"importing {names} was killed by {killer}; keep the trace with --trace to see where")
    if process.returncode:
        raise ProgramError(f"importing {names} ended the interpreter with status {process.returncode}")


def _cost(trace: Path, modules: list[str], workers: int | None) -> results.ImportCost:
    report = read(trace).summary()
    cost = import_cost(report, modules)
    end = next((moment for moment in report.composition or [] if moment.moment == "end"), None)
    if workers is not None and end is not None:
        cost.workers = [with_workers(end, workers)]
    return cost


def _text(cost: results.ImportCost, arguments: argparse.Namespace) -> str:
    if arguments.format == "json":
        from ..reports.json import write_json

        return write_json(cost)
    from ..reports.formats import FORMATS
    from ..reports.import_report import import_document

    document = import_document(cost, arguments.top, arguments.depth)
    return FORMATS[arguments.format](document, out.options(arguments.output, arguments.top, width=120))
