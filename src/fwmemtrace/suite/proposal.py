"""Proposes a suite file for a package: its classes and functions, those first that brought memory in a trace."""

from __future__ import annotations

import ast
import keyword
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from ..errors import SuiteError
from ..results import TraceReport
from ..units import format_bytes

_MOST = 8  # components of a proposal
_LEAST_BYTES = 1_000_000
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_HEAD = '''"""Proposed by `fwmemtrace suite --init {package}`. Run it with

    fwmemtrace suite suite.py --budget 300MB

after you have replaced every ..., given each component typical requests, and removed what is no component.
"""

from fwmemtrace.suite import Component
'''
_FUNCTIONS = """
def make_{name}():
    from {module} import {thing}  # imported here, so that it counts for this component alone

    return {made}


def ask_{name}(made, item):
    return {asked}
"""


@dataclass
class Candidate:
    """A class or function that may be a component.

    Attributes:
        module: its module.
        name: its name.
        parameters: what it takes, without what has a default.
        methods: of a class, its public methods with what they take.
        bytes: what it made RSS rise by.
        by_method: the same by method.
    """

    module: str
    name: str
    parameters: list[str]
    methods: dict[str, list[str]] = field(default_factory=dict)
    bytes: int = 0
    by_method: dict[str, int] = field(default_factory=dict)

    @property
    def request(self) -> str:
        """The method that most probably answers requests."""
        usable = [name for name, parameters in self.methods.items() if parameters] or list(self.methods)
        return max(usable, key=lambda name: self.by_method.get(name, 0), default="")


def propose(package: str, report: TraceReport | None) -> str:
    """Returns the source of a suite file.

    Args:
        package: a package or module; its code is read, not run.
        report: a trace of a program that uses it; None for none.

    Raises:
        SuiteError: if there is no such package, or nothing in it that can be a component.
    """
    found = [one for module, file in _modules(package) for one in _candidates(module, file, report)]
    if any(one.bytes >= _LEAST_BYTES for one in found):
        found = [one for one in found if one.bytes >= _LEAST_BYTES]
    elif any(one.methods for one in found):
        found = [one for one in found if one.methods]
    chosen = sorted(found, key=lambda one: -one.bytes)[:_MOST]
    if not chosen:
        raise SuiteError(f"nothing to propose: {package} has no public function, and no public class with a method")
    names = _unique([_snake(one.name) for one in chosen])
    parts = [_HEAD.format(package=package)]
    parts += [_functions(one, name) for one, name in zip(chosen, names, strict=True)]
    rows = "\n".join(_row(one, name) for one, name in zip(chosen, names, strict=True))
    return "\n".join([*parts, f"\ncomponents = [\n{rows}\n]\n"])


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    sys.path.insert(0, os.getcwd())
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    finally:
        sys.path.remove(os.getcwd())
    if spec is None:
        raise SuiteError(f"no module named {package!r}")
    for folder in spec.submodule_search_locations or ():
        for file in sorted(Path(folder).rglob("*.py")):
            parts = [package, *file.relative_to(folder).with_suffix("").parts]
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file
    if not spec.submodule_search_locations and spec.origin is not None and spec.origin.endswith(".py"):
        yield package, Path(spec.origin)


def _candidates(module: str, file: Path, report: TraceReport | None) -> Iterator[Candidate]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    rises = list(_rises(file, report))
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | _Function) or node.name.startswith("_"):
            continue
        inside = [(line, size) for line, size in rises if node.lineno <= line <= (node.end_lineno or node.lineno)]
        total = sum(size for _, size in inside)
        if isinstance(node, _Function):
            yield Candidate(module, node.name, _needed(node), bytes=total)
            continue
        functions = [one for one in node.body if isinstance(one, _Function)]
        public = [one for one in functions if not one.name.startswith("_")]
        made = next((one for one in functions if one.name == "__init__"), None)
        if public:
            yield Candidate(
                module,
                node.name,
                _needed(made)[1:] if made is not None else [],
                {one.name: _needed(one)[1:] for one in public},
                total,
                {
                    one.name: sum(size for line, size in inside if one.lineno <= line <= (one.end_lineno or one.lineno))
                    for one in public
                },
            )


def _rises(file: Path, report: TraceReport | None) -> Iterator[tuple[int, int]]:
    """Yields the lines of a file that made RSS rise, each with its bytes: of each stack the innermost one."""
    for process in (report.rises if report is not None else None) or ():
        for rise in process.stacks:
            line = next((one.line for one in rise.stack if one.file and _is_same(one.file, file)), 0)
            if line:
                yield line, rise.bytes


def _is_same(seen: str, file: Path) -> bool:
    return str(file) == seen or (not os.path.isabs(seen) and str(file).endswith(os.sep + seen))


def _needed(function: _Function) -> list[str]:
    arguments = [*function.args.posonlyargs, *function.args.args]
    return [one.arg for one in arguments[: len(arguments) - len(function.args.defaults)]]


def _functions(one: Candidate, name: str) -> str:
    made, asked = one.name, f"made({_call(one.parameters)})"
    if one.methods:
        given = ", ".join(f"{parameter}=..." for parameter in one.parameters)
        others = [method for method in one.methods if method != one.request]
        comment = f"  # or {', '.join(others[:4])}" if others else ""
        made = f"{one.name}({given})"
        asked = f"made.{one.request}({_call(one.methods[one.request])}){comment}"
    return _FUNCTIONS.format(name=name, module=one.module, thing=one.name, made=made, asked=asked)


def _call(parameters: Sequence[str]) -> str:
    return ", ".join(["item", *(f"{parameter}=..." for parameter in parameters[1:])]) if parameters else ""


def _row(one: Candidate, name: str) -> str:
    seen = f"  # brought {format_bytes(one.bytes)}" if one.bytes >= _LEAST_BYTES else ""
    title = name.replace("_", " ")
    return f'    Component("{title}", make_{name}, ask_{name}, inputs=["a typical request"]),{seen}'


def _snake(name: str) -> str:
    made = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return f"{made}_" if keyword.iskeyword(made) else made


def _unique(names: Sequence[str]) -> list[str]:
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return made
