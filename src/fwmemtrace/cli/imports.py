"""`imports`: what importing modules costs, in an interpreter that has imported nothing else."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from .. import results
from ..analysis.import_cost import import_cost
from ..analysis.worker_forecast import with_workers
from ..errors import ProgramError, SettingsError
from ..trace import read
from . import output as out

_TOP = 30
# The child prints to our stderr: stdout is the report's. Why an import failed goes into a file, as one line.
_CHILD = """
import sys
from fwmemtrace import phase
from fwmemtrace.recording.session import session
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
        "module took, by itself and with all that it imported.",
    )
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    parser.add_argument("--top", type=int, default=_TOP, metavar="N", help=f"modules in the tree, {_TOP} by default")
    parser.add_argument("--depth", type=int, metavar="N", help="levels of the tree")
    parser.add_argument("--workers", type=int, metavar="N", help="what so many processes would take together")
    parser.add_argument(
        "--format", choices=("text", "markdown", "html", "json"), default="text", help="text by default"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it, stdout by default")
    parser.add_argument("--trace", metavar="FILE", help="keep the trace here")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print."""
    for name in ("top", "depth", "workers"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise SettingsError(f"found --{name} {value}, expected a whole number of at least 1")
    with tempfile.TemporaryDirectory(prefix="fwmemtrace") as folder:
        trace = Path(arguments.trace) if arguments.trace is not None else Path(folder, "trace.bin")
        _import(trace, Path(folder, "failure"), arguments.modules)
        cost = _cost(trace, arguments.modules, arguments.workers)
    out.write(_text(cost, arguments), arguments.output)
    return 0


def _import(trace: Path, failure: Path, modules: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FWMEMTRACE")}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(trace), str(failure), *modules],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env=environment,
        check=False,
    )
    if failure.exists():
        module, kind, message = failure.read_text(encoding="utf-8").splitlines()
        raise ProgramError(
            f"found that {module} cannot be imported by {sys.executable} ({kind}: {message}), expected a module that "
            "can: check its name, or install it there"
        )
    if done.returncode < 0:
        raise ProgramError(
            f"found that the interpreter which imported {' '.join(modules)} was killed by "
            f"{signal.Signals(-done.returncode).name}: keep its trace with --trace and look where it stops"
        )
    if done.returncode:
        raise ProgramError(
            f"found that importing {' '.join(modules)} ended the interpreter with status {done.returncode}, expected "
            "it to go on: its own output says why"
        )


def _cost(trace: Path, modules: list[str], workers: int | None) -> results.ImportCost:
    report = read(trace).summary()
    cost = import_cost(report, modules)
    end = next((made for made in report.composition or [] if made.moment == "end"), None)
    if workers is not None and end is not None:
        cost.workers = [with_workers(end, workers)]
    return cost


def _text(cost: results.ImportCost, arguments: argparse.Namespace) -> str:
    if arguments.format == "json":
        return msgspec.json.format(msgspec.json.encode(cost), indent=2).decode() + "\n"
    from ..reports.formats import FORMATS
    from ..reports.import_report import import_document

    document = import_document(cost, arguments.top, arguments.depth)
    return FORMATS[arguments.format](document, out.options(arguments.output, arguments.top, width=120))
