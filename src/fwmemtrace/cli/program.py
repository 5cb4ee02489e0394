"""Loads a program and runs it in two phases, `import` and `main`.

Its source is split where its work begins: at `if __name__ == "__main__":` or, without that, after the imports and
definitions at its head. Both parts run in one namespace, as if the interpreter ran the whole.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ..errors import ProgramError
from ..tracing.phases import phase

_CODE = "<string>"  # what the interpreter calls the code of -c in tracebacks
_CODE_NAME = "-c"  # its `sys.argv[0]`
_HEAD = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Program:
    """A compiled program.

    Attributes:
        head: its imports and definitions.
        body: the rest.
        argv0: the program's `sys.argv[0]`.
        folder: the program's `sys.path[0]`.
        spec: the spec of a module run with `-m`.
        namespace: its globals; filled when it runs.
    """

    head: CodeType
    body: CodeType
    argv0: str
    folder: str
    spec: ModuleSpec | None
    namespace: dict[str, Any]

    def run(self, args: list[str]) -> None:
        """Run it as `__main__`. Exceptions pass through, SystemExit included."""
        module = ModuleType("__main__")
        self.namespace = module.__dict__
        if self.argv0 != _CODE_NAME:
            self.namespace["__file__"] = self.argv0
        self.namespace.update(
            __builtins__=builtins,
            __spec__=self.spec,
            __package__=self.spec.parent if self.spec is not None else None,
            __loader__=self.spec.loader if self.spec is not None else None,
        )
        sys.modules["__main__"] = module
        sys.argv[:] = [self.argv0, *args]
        sys.path[0] = self.folder
        with phase("import"):
            exec(self.head, self.namespace)
        with phase("main"):
            exec(self.body, self.namespace)


def load_script(name: str) -> Program:
    """Compile a script.

    Raises:
        ProgramError: if it cannot be read, or is not valid Python.
    """
    path = Path(name)
    if path.is_dir():
        raise ProgramError(f"{name} is a folder; give a script, or -m and a module")
    try:
        source = path.read_bytes()
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise ProgramError(f"{name}: {problem}") from error
    return _compile(source, str(path), str(path.absolute().parent), None)


def load_code(code: str) -> Program:
    """Compile code that was given on the command line.

    Raises:
        ProgramError: if it is not valid Python.
    """
    return _compile(code.encode(errors="surrogateescape"), _CODE, "", None)


def load_module(name: str) -> Program:
    """Compile a module, or a package's `__main__`.

    Raises:
        ProgramError: if there is none, or it has no Python source.
    """
    folder = os.getcwd()
    sys.path[0] = folder
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise ProgramError(f"cannot import {name}: {error}") from error
    if spec is None:
        raise ProgramError(f"no module named {name}")
    if spec.origin is None or not spec.has_location or not spec.origin.endswith(".py"):
        raise ProgramError(f"{name} has no Python source; run can trace only modules with source")
    return _compile(Path(spec.origin).read_bytes(), spec.origin, folder, spec)


def _compile(source: bytes, filename: str, folder: str, spec: ModuleSpec | None) -> Program:
    try:
        tree = ast.parse(source, filename)
    except (SyntaxError, ValueError) as error:
        raise ProgramError(f"{filename} is not valid Python: {error}") from error
    cut = _cut(tree.body)
    head = compile(ast.Module(tree.body[:cut], []), filename, "exec", dont_inherit=True)
    # A `from __future__` import in the head applies to the rest too.
    future = head.co_flags & _future_flags()
    body = compile(ast.Module(tree.body[cut:], []), filename, "exec", flags=future, dont_inherit=True)
    name = _CODE_NAME if filename == _CODE else filename
    return Program(head, body, name, folder, spec, {})


def _future_flags() -> int:
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    return flags


def _cut(statements: list[ast.stmt]) -> int:
    """Return the index of the statement where the work begins."""
    for number, statement in enumerate(statements):
        if isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test):
            return number
    cut = 0
    for number, statement in enumerate(statements):
        if not _is_head(statement):
            break
        if isinstance(statement, (ast.Import, ast.ImportFrom, ast.Try, ast.If)):
            cut = number + 1
    return cut or number_of_docstrings(statements)


def number_of_docstrings(statements: list[ast.stmt]) -> int:
    """Return 1 if the program begins with a docstring, which becomes `__doc__` only in the first part, else 0."""
    return int(
        bool(statements) and isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant)
    )


def _is_head(statement: ast.stmt) -> bool:
    """Return whether a statement only imports, defines or sets something."""
    if isinstance(statement, (ast.Try, ast.If)):
        inner = [*statement.body, *statement.orelse]
        if isinstance(statement, ast.Try):
            inner += [inner for handler in statement.handlers for inner in handler.body]
        return any(isinstance(each, (ast.Import, ast.ImportFrom)) for each in inner) and all(map(_is_head, inner))
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, (*_HEAD, ast.Pass))
