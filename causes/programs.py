"""The programs, what they print about themselves, and running them with fwmemtrace."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MARK = "# cause"


class SkippedError(Exception):
    """A program cannot run here: a package is missing."""


@dataclass(frozen=True)
class Program:
    """A file of `planted/` or `controls/`."""

    path: Path

    @property
    def name(self) -> str:
        """Its file without the suffix."""
        return self.path.stem

    @property
    def planted(self) -> bool:
        """Whether it has a cause."""
        return self.path.parent.name == "planted"

    def lines_to_blame(self) -> set[int]:
        """Returns the marked lines, with all lines of the functions that they are in."""
        source = self.path.read_text(encoding="utf-8")
        marked = {number for number, line in enumerate(source.splitlines(), 1) if line.endswith(MARK)}
        nodes = ast.walk(ast.parse(source))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        spans = [range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in functions]
        return marked.union(*(span for span in spans if marked.intersection(span)))


@dataclass(frozen=True)
class Run:
    """What one run of a program with fwmemtrace gave."""

    output: str
    text: str  # the text report
    report: dict[str, Any]  # the JSON report


def programs() -> Iterator[Program]:
    """Yields all programs, those with a cause first."""
    for folder in ("planted", "controls"):
        yield from map(Program, sorted((HERE / folder).glob("[a-z]*.py")))


def run(program: Program, folder: Path, *options: str) -> Run:
    """Run a program in a session, with its trace in this folder.

    Args:
        program: the program.
        folder: for the trace.
        options: more options of `fwmemtrace run`, such as `--deep`.

    Raises:
        SkippedError: if a package is missing.
        RuntimeError: if a command fails.
    """
    trace = str(folder / f"{program.name}{''.join(options)}.bin")
    output = _fwmemtrace("run", "-q", "-o", trace, *options, str(program.path))
    text = _fwmemtrace("report", trace)
    return Run(output, text, json.loads(_fwmemtrace("report", "--format", "json", trace)))


def _fwmemtrace(*arguments: str) -> str:
    """Returns the standard output of a command."""
    paths = [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "fwmemtrace", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise (SkippedError if last.startswith("ModuleNotFoundError") else RuntimeError)(last)
    return done.stdout
