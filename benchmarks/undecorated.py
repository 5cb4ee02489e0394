"""Takes the phases out of a program, to measure what its report shows without them."""

from __future__ import annotations

import ast


def undecorated(source: str) -> tuple[str, dict[str, list[range]]]:
    """Return the same program without its phases, line by line, and the lines that each phase has.

    A function whose decorator was `phase` stays as it is below it; a block becomes `if True:`.

    Args:
        source: a program that uses the name `phase` for its decorators and `with` blocks.

    Returns:
        The source, and for each name of a phase the lines of its functions and blocks.
    """
    lines = source.splitlines()
    blocks: dict[str, list[range]] = {}

    def blank(node: ast.expr | ast.stmt, last: int, instead: str = "") -> None:
        for number in range(node.lineno, last + 1):
            lines[number - 1] = ""
        lines[node.lineno - 1] = instead

    def visit(node: ast.AST, names: tuple[str, ...]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = (*names, node.name)
            for decorator in node.decorator_list:
                if _is_phase(decorator):
                    blank(decorator, decorator.end_lineno or decorator.lineno)
                    _add(blocks, _name(decorator) or ".".join(names), node.body)
            names = (*names, "<locals>")
        elif isinstance(node, ast.ClassDef):
            names = (*names, node.name)
        elif isinstance(node, ast.With) and all(_is_phase(item.context_expr) for item in node.items):
            for item in node.items:
                _add(blocks, _name(item.context_expr), node.body)
            blank(node, node.body[0].lineno - 1, " " * node.col_offset + "if True:")
        for child in ast.iter_child_nodes(node):
            visit(child, names)

    visit(ast.parse(source), ())
    return "\n".join(lines) + "\n", blocks


def _is_phase(node: ast.expr) -> bool:
    return isinstance(node.func if isinstance(node, ast.Call) else node, ast.Name) and "phase" in (
        getattr(node, "id", ""),
        getattr(getattr(node, "func", None), "id", ""),
    )


def _name(node: ast.expr) -> str:
    """The name that a phase is given, "" for none."""
    given = node.args[0] if isinstance(node, ast.Call) and node.args else None
    return str(given.value) if isinstance(given, ast.Constant) else ""


def _add(blocks: dict[str, list[range]], name: str, body: list[ast.stmt]) -> None:
    last = body[-1]
    blocks.setdefault(name, []).append(range(body[0].lineno, (last.end_lineno or last.lineno) + 1))
