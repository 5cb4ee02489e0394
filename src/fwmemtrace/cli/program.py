"""Loads the program that `run` shall trace, and runs it in two phases: `import` and `main`.

A program's source is cut in two where its work begins: at `if __name__ == "__main__":`, or, where there is none, behind
the imports and definitions at its head. Both parts run in one namespace, as the interpreter would run the whole.
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

_HEAD = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class Program:
    """A program that is compiled and ready to run.

    Attributes:
        head: the part that imports and defines.
        body: the rest.
        argv0: what the program shall see as `sys.argv[0]`.
        folder: what it shall see as `sys.path[0]`.
        spec: of the module, for one that was named by `-m`.
        namespace: its globals; filled when it runs.
    """

    head: CodeType
    body: CodeType
    argv0: str
    folder: str
    spec: ModuleSpec | None
    namespace: dict[str, Any]

    def run(self, args: list[str]) -> None:
        """Run it as `__main__`; what it raises, SystemExit too, passes through."""
        module = ModuleType("__main__")
        self.namespace = module.__dict__
        self.namespace.update(
            __file__=self.argv0,
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
        ProgramError: if it cannot be read or is no Python.
    """
    path = Path(name)
    if path.is_dir():
        raise ProgramError(f"found that {name} is a folder, expected a script: give one, or -m and a module")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ProgramError(f"found no script {name} ({error.strerror}), expected one: check the path") from error
    return _compile(source, str(path), str(path.absolute().parent), None)


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
        raise ProgramError(f"found that the module {name} cannot be imported ({error}), expected one to run") from error
    if spec is None:
        raise ProgramError(f"found no module {name} to run, expected one that `python -m {name}` would run")
    if spec.origin is None or not spec.has_location or not spec.origin.endswith(".py"):
        raise ProgramError(f"found no Python source of {name}, expected some: only such programs can be traced by run")
    return _compile(Path(spec.origin).read_bytes(), spec.origin, folder, spec)


def _compile(source: bytes, filename: str, folder: str, spec: ModuleSpec | None) -> Program:
    try:
        tree = ast.parse(source, filename)
    except (SyntaxError, ValueError) as error:
        raise ProgramError(f"found that {filename} is no Python ({error}), expected a program") from error
    cut = _cut(tree.body)
    head = compile(ast.Module(tree.body[:cut], []), filename, "exec", dont_inherit=True)
    # What `from __future__` says at the head goes for the rest as well.
    future = head.co_flags & _future_flags()
    body = compile(ast.Module(tree.body[cut:], []), filename, "exec", flags=future, dont_inherit=True)
    return Program(head, body, filename, folder, spec, {})


def _future_flags() -> int:
    import __future__

    flags = 0
    for name in __future__.all_feature_names:
        flags |= getattr(__future__, name).compiler_flag
    return flags


def _cut(statements: list[ast.stmt]) -> int:
    """Where the work begins."""
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
    """1 if the program begins with a docstring, which must stay in its first part to be its `__doc__`."""
    return int(
        bool(statements) and isinstance(statements[0], ast.Expr) and isinstance(statements[0].value, ast.Constant)
    )


def _is_head(statement: ast.stmt) -> bool:
    """Whether a statement imports, defines or sets something, and does no work by itself."""
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
