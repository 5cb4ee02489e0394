"""Writes the pages of docs/ that are made from the code's own constants and types; a test fails when they are stale.

Run it from the repository: `python docs/make.py`.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from fwmemtrace.analysis import results, suite_results
from fwmemtrace.reports.json import schema

DOCS = Path(__file__).parent


def report_schema() -> str:
    """docs/report.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


def report_page() -> str:
    """docs/report.md: the JSON report key by key, from the types' docstrings and the comments behind their fields."""
    parts = [
        "# The JSON report\n",
        "`report --format json` writes one object, the `Report` below. It is stable: within a version keys are added, "
        "never taken away or given another meaning. All sizes are integers of bytes and all times integers of "
        "nanoseconds; `null` says that the probe was not on. The schema is [report.schema.json](report.schema.json).\n",
    ]
    return "\n".join([*parts, *_tables(results), *_tables(suite_results)])


def _tables(module: ModuleType) -> list[str]:
    """A section for each type of a module."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    parts = []
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef) or not node.bases or ast.unparse(node.bases[0]) == "msgspec.Struct":
            continue
        parts.append(f"## {node.name}\n\n{inspect.cleandoc(ast.get_docstring(node) or '')}\n")
        bases = [ast.unparse(base) for base in node.bases if not ast.unparse(base).endswith("Result")]
        if bases:
            parts.append(f"With all keys of `{bases[0]}`.\n")
        rows = ["| key | type | meaning |", "| --- | --- | --- |"]
        for field in node.body:
            if isinstance(field, ast.AnnAssign):
                comment = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")[2]
                kind = ast.unparse(field.annotation).replace("|", "\\|")
                rows.append(f"| `{ast.unparse(field.target)}` | `{kind}` | {comment} |")
        parts.append("\n".join(rows) + "\n")
    return parts


PAGES: dict[str, Callable[[], str]] = {
    "report.schema.json": report_schema,
    "report.md": report_page,
}

if __name__ == "__main__":
    for name, make in PAGES.items():
        (DOCS / name).write_text(make(), encoding="utf-8")
        print(f"docs/{name}")
