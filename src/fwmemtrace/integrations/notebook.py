"""Magics for IPython and Jupyter: `%load_ext fwmemtrace`, then `%%phase NAME` and `%%fwmemtrace` above a cell."""

from __future__ import annotations

import argparse
import ast
import shlex
import tempfile
from inspect import CO_COROUTINE
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, NoReturn

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from ..errors import FwmemtraceError
from ..recording.switch import current_session, session
from ..trace import read
from ..tracing.phases import phase

_CELL = "cell"
_AWAITS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


class _Cell(NamedTuple):
    """A cell, compiled: its statements, and its last expression, whose value is the cell's if it is shown."""

    body: CodeType
    value: CodeType | None
    shown: bool


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register the magics; `%load_ext fwmemtrace` calls this."""
    shell.register_magics(_FwmemtraceMagics(shell))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n{self.format_usage()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise UsageError(message or "")


def _session_parser() -> _Parser:
    parser = _Parser(prog="%%fwmemtrace", description="Trace a cell, and show where its memory went.")
    parser.add_argument("--probes", metavar="NAME,...", default="imports,mappings", help="as for `fwmemtrace run`")
    parser.add_argument("--interval", metavar="TIME", help="between two points of the timeline, such as 10ms")
    parser.add_argument("--trace", metavar="NAME", help="the variable to keep the trace in")
    parser.add_argument("-o", "--output", metavar="FILE", help="the trace file to write (default: a temporary one)")
    parser.add_argument("--native-traces", action="store_true", default=None, help="record C and C++ stack frames")
    return parser


@magics_class
class _FwmemtraceMagics(Magics):
    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._traces = 0

    @cell_magic
    def phase(self, line: str, cell: str) -> Any:
        """Run the cell in a phase. Without a session, one is started for the cell and its figures are shown below."""
        name = line.strip()
        if not name:
            raise UsageError("%%phase: missing name, for example %%phase load")
        compiled = self._compile("%%phase", cell)
        if current_session() is None:
            return self._traced(name, compiled, _session_parser().parse_args([]))
        with phase(name):
            return self._run(compiled)

    @cell_magic
    def fwmemtrace(self, line: str, cell: str) -> Any:
        """Trace the cell in a session of its own, and show the summary, RSS over time and the phases below it."""
        arguments = _session_parser().parse_args(shlex.split(line))
        return self._traced(_CELL, self._compile("%%fwmemtrace", cell), arguments)

    def _traced(self, name: str, cell: _Cell, arguments: argparse.Namespace) -> Any:
        path = Path(arguments.output) if arguments.output is not None else self._new_path()
        settings = {"native_traces": arguments.native_traces, "interval": arguments.interval}
        given = {key: value for key, value in settings.items() if value is not None}
        try:
            traced = session(path, probes=arguments.probes, **given)
        except FwmemtraceError as error:
            raise UsageError(f"%%fwmemtrace: {error}") from error
        try:
            with traced, phase(name):
                return self._run(cell)
        finally:
            trace = read(traced.path or path)  # another one where that file existed
            display(trace)
            if arguments.trace is not None:
                self._shell.user_ns[arguments.trace] = trace

    def _new_path(self) -> Path:
        """Return a new path in a folder that lasts as long as the interpreter: traces are read again when asked."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="fwmemtrace-")
        self._traces += 1
        return Path(self._folder.name) / f"cell-{self._traces}.bin"

    def _compile(self, magic: str, cell: str) -> _Cell:
        """Compile a cell before anything is traced.

        Raises:
            SyntaxError: the cell's own.
            UsageError: if it has an `await` of its own: the kernel's event loop runs this magic already.
        """
        source = self._shell.transform_cell(cell)
        file = self._shell.compile.cache(source)
        tree = ast.parse(source, file)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        body = compile(tree, file, "exec", _AWAITS)
        value = compile(ast.Expression(last.value), file, "eval", _AWAITS) if isinstance(last, ast.Expr) else None
        if any(code is not None and code.co_flags & CO_COROUTINE for code in (body, value)):
            raise UsageError(f"{magic} cannot run a cell with await; write `with fwmemtrace.phase(...):` in the cell")
        return _Cell(body, value, shown=not source.rstrip().endswith(";"))

    def _run(self, cell: _Cell) -> Any:
        """Run a cell in the user's namespace, and return the value of its last expression, as `%%time` does."""
        exec(cell.body, self._shell.user_ns)
        if cell.value is None:
            return None
        value = eval(cell.value, self._shell.user_ns)
        return value if cell.shown else None
