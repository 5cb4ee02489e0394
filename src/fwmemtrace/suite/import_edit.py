"""Plans and makes one edit of a program's source: an import statement moves into the functions that use it.

The edit is made in memory, in a process that measures it. The program's files are never written.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from ..records import SuiteMove

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Import = ast.Import | ast.ImportFrom


def plan_move(file: str, line: int) -> SuiteMove:
    """Says where an import statement can be moved.

    Args:
        file: a source file.
        line: a line of the statement.
    """
    try:
        with open(file, "rb") as source:
            return _move(ast.parse(source.read(), file), file, line)
    except (OSError, SyntaxError, ValueError) as error:
        return SuiteMove(file, line, "", [], f"{os.path.basename(file)} cannot be parsed: {error}")


def _move(tree: ast.Module, file: str, line: int) -> SuiteMove:
    """Edits a module, unless the statement on that line cannot be moved; returns the edit."""
    found = _find(tree, line)
    if found is None:
        return SuiteMove(file, line, "", [], f"line {line} is not an import statement")
    statement, parents = found
    text = ast.unparse(statement)
    names = {(alias.asname or alias.name.partition(".")[0]) for alias in statement.names}
    users, problem = _users(tree, statement, parents, names)
    move = SuiteMove(file, statement.lineno, text, [f"{name}:{user.lineno}" for name, user in users], problem)
    if not problem:
        for _, user in users:
            block = _innermost_block(user, names)
            at = 1 if block is user.body and ast.get_docstring(user, clean=False) is not None else 0
            copy = ast.parse(text).body[0]
            for part in ast.walk(copy):
                ast.copy_location(part, user)
            block.insert(at, copy)
        _replace(parents[-1], statement)
    return move


def _find(tree: ast.Module, line: int) -> tuple[_Import, list[ast.AST]] | None:
    """Returns the import statement on a line, and what encloses it, the outermost first."""

    def search(node: ast.AST, parents: list[ast.AST]) -> tuple[_Import, list[ast.AST]] | None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _Import) and child.lineno <= line <= (child.end_lineno or child.lineno):
                return child, [*parents, node]
            found = search(child, [*parents, node])
            if found is not None:
                return found
        return None

    return search(tree, [])


def _users(
    tree: ast.Module, statement: _Import, parents: Sequence[ast.AST], names: set[str]
) -> tuple[list[tuple[str, _Function]], str]:
    """Returns the functions that use what a statement imports, and why it cannot be moved, if so."""
    if isinstance(statement, ast.ImportFrom) and (statement.module == "__future__" or "*" in names):
        return [], "it imports all names of the module" if "*" in names else "it is a directive"
    if any(isinstance(parent, ast.Try) for parent in parents):
        return [], "it is in a try statement"
    inside = next((parent for parent in parents if isinstance(parent, _Function)), None)
    if inside is not None:
        used = any(name in names for name, _ in _loads(inside))
        return [], f"{inside.name} imports it and uses it" if used else ""
    if any(isinstance(parent, ast.ClassDef) for parent in parents):
        return [], "it is an attribute of a class"
    users: list[tuple[str, _Function]] = []
    lazy = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    problem = _collect(tree, "", names, users, annotations=not lazy)
    return users, problem


def _innermost_block(function: _Function, names: set[str]) -> list[ast.stmt]:
    """Returns the block with all uses of some names: a branch that is not taken should not import anything.

    Loops and nested functions stay as they are: their blocks may run many times.
    """
    block = function.body
    while True:
        users = [statement for statement in block if any(name in names for name, _ in _loads(statement))]
        if len(users) != 1 or not isinstance(users[0], ast.If | ast.With):
            return block
        inner = [users[0].body, users[0].orelse] if isinstance(users[0], ast.If) else [users[0].body]
        using = [one for one in inner if any(name in names for part in one for name, _ in _loads(part))]
        head = [users[0].test] if isinstance(users[0], ast.If) else users[0].items
        if len(using) != 1 or any(_used_in(part, names) for part in head):
            return block
        block = using[0]


def _collect(
    node: ast.AST, prefix: str, names: set[str], users: list[tuple[str, _Function]], *, annotations: bool
) -> str:
    """Collects the outermost functions that use a name; returns what uses one when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            eager = [*child.decorator_list, *child.args.defaults, *(one for one in child.args.kw_defaults if one)]
            if annotations:
                eager += [one for one in _annotations(child) if one is not None]
            for part in eager:
                if line := _used_in(part, names):
                    return f"line {line} uses it when the module is imported"
            loaded = {name for statement in child.body for name, _ in _loads(statement)} & names
            if loaded and any(isinstance(inner, ast.Global) and names & {*inner.names} for inner in ast.walk(child)):
                return f"{child.name} declares it global"
            if loaded:
                users.append((prefix + child.name, child))
        elif isinstance(child, ast.ClassDef):
            for part in (*child.bases, *(keyword.value for keyword in child.keywords), *child.decorator_list):
                if line := _used_in(part, names):
                    return f"line {line} uses it when the module is imported"
            body = ast.Module(body=child.body, type_ignores=[])
            if problem := _collect(body, f"{prefix}{child.name}.", names, users, annotations=annotations):
                return problem
        elif isinstance(child, ast.AnnAssign) and not annotations:
            parts = [part for part in (child.target, child.value) if part is not None]
            if problem := _collect(ast.Tuple(parts, ast.Load()), prefix, names, users, annotations=annotations):
                return problem
        elif isinstance(child, ast.Name) and child.id in names:
            what = "uses it when the module is imported" if isinstance(child.ctx, ast.Load) else "assigns its name"
            return f"line {child.lineno} {what}"
        elif isinstance(child, ast.Constant) and child.value in names and _is_all(node):
            return f"line {child.lineno} exports it"
        elif problem := _collect(child, prefix, names, users, annotations=annotations):
            return problem
    return ""


def _is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.List | ast.Tuple)  # of `__all__`, most often; any other is left alone too


def _annotations(function: _Function) -> list[ast.expr | None]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [function.returns, *(one.annotation for one in every if one is not None)]


def _used_in(node: ast.AST, names: set[str]) -> int:
    return next((line for name, line in _loads(node) if name in names), 0)


def _loads(node: ast.AST) -> Iterator[tuple[str, int]]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield inner.id, inner.lineno


def _replace(parent: ast.AST, statement: _Import) -> None:
    for _, value in ast.iter_fields(parent):
        if isinstance(value, list) and statement in value:
            value[value.index(statement)] = ast.copy_location(ast.Pass(), statement)


class MovedImports:
    """An import hook that makes the edits when it loads the modules.

    Args:
        places: the file and the line of each statement to move.
    """

    def __init__(self, places: Sequence[tuple[str, int]]) -> None:
        self._lines: dict[str, list[int]] = {}
        for file, line in places:
            self._lines.setdefault(os.path.realpath(file), []).append(line)
        self._names = {_module_name(file) for file in self._lines}

    def install(self) -> None:
        """Begin to make the edits."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find an edited module before the import system does; see importlib.abc.MetaPathFinder."""
        if name.rpartition(".")[2] not in self._names:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        lines = self._lines.get(os.path.realpath(spec.origin))
        if lines is None:
            return None
        spec.loader = _EditedLoader(name, spec.origin, lines)
        return spec


def _module_name(file: str) -> str:
    folder, name = os.path.split(os.path.splitext(file)[0])
    return os.path.basename(folder) if name == "__init__" else name


class _EditedLoader(SourceFileLoader):
    def __init__(self, name: str, path: str, lines: Sequence[int]) -> None:
        super().__init__(name, path)
        self._edited_lines = lines

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(self.get_data(self.path), self.path)
        for line in self._edited_lines:
            _move(tree, self.path, line)
        return compile(tree, self.path, "exec", dont_inherit=True)
