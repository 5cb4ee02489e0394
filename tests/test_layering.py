"""Who may import whom. The table is the design's; a module in a layer that it does not name fails too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fwmemtrace

PACKAGE = Path(fwmemtrace.__file__).parent
GROUND = {"elf", "local_variables", "referents", "errors", "records", "units", "marks", "_version"}
CORE = GROUND | {"config", "context", "phases", "plugins", "spans"}

# For each layer (a module or subpackage of fwmemtrace), the other layers that its code may import, lazily or not.
MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "elf": set(),
    "local_variables": set(),
    "referents": set(),
    "errors": set(),
    "records": set(),
    "marks": set(),
    "cgroup": set(),
    "units": {"errors"},
    "sizes": {"errors", "referents"},
    "context": {"spans"},  # for its type alone
    "spans": {"context", "phases"},  # of phases their types alone
    "phases": {"context", "errors", "spans"},  # of spans their type alone
    "plugins": {"errors"},
    "config": {"errors", "units"},
    "workers": {"config"},
    "probes": GROUND - {"_version"} | {"cgroup", "config", "context", "phases", "spans", "tracefile"},
    "sinks": {"errors", "records", "tracefile"},
    "tracefile": {"elf", "errors", "records", "marks"},
    "analysis": {"errors", "records", "marks"},
    "captures": GROUND | {"tracefile", "analysis"},
    "edges": CORE | {"probes"},
    "session": CORE | {"workers", "edges", "probes", "sinks"},
    "reports": {"errors", "units", "analysis"},
    "exporters": {"errors", "records", "units", "analysis", "plugins"},
    "trace": GROUND | {"plugins", "tracefile", "analysis", "reports", "captures"},
    "suite": CORE | {"cgroup", "session", "trace", "workers", "analysis"},
    "integrations": CORE | {"session", "trace"},
    "program": {"errors", "phases"},
    "cli": CORE
    | {"__init__", "cgroup", "session", "trace", "captures", "program", "analysis", "reports", "exporters", "suite"},
    "__init__": CORE | {"session", "trace", "probes", "sizes"},
    "__main__": {"cli"},
}
# Where only one part of a subpackage is open to the rest.
ONLY: dict[tuple[str, str], set[str]] = {
    ("probes", "tracefile"): {"tracefile.layout"},
    ("sinks", "tracefile"): {"tracefile.layout", "tracefile.encode"},
    ("__init__", "probes"): {"probes.marks_only"},
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name inside it."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            parts = parts[:-1]
        found[".".join(parts)] = path
    return found


MODULES = modules()


def imports_of(module: str, source: str) -> set[str]:
    """The package's own modules that this one's code names in an import statement anywhere."""
    is_package = MODULES[module].name == "__init__.py"
    here = [] if module == "__init__" else module.split(".")
    if not is_package:
        here = here[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module.split(".") if node.module else []
            if node.level:
                base = ["fwmemtrace", *here[: len(here) - node.level + 1], *base]
            names = [".".join([*base, alias.name]) for alias in node.names]
        for name in names:
            top, _, inside = name.partition(".")
            if top != "fwmemtrace":
                continue
            # `from .records import Note` names the module records, `from . import records` too.
            while inside and inside not in MODULES:
                inside = inside.rpartition(".")[0]
            found.add(inside or "__init__")
    return found - {module}


def broken_rules(module: str, source: str) -> list[str]:
    """What this module imports though it may not."""
    layer = module.partition(".")[0]
    broken = []
    for imported in sorted(imports_of(module, source)):
        other = imported.partition(".")[0]
        if other == layer:
            continue
        opened = ONLY.get((layer, other))
        if other not in MAY_IMPORT[layer] or (opened is not None and imported not in opened):
            broken.append(f"{module} imports {imported}")
    return broken


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_only_what_its_layer_may(module):
    assert module.partition(".")[0] in MAY_IMPORT, "a new layer: decide in MAY_IMPORT what it may import"
    assert broken_rules(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("records", "from .units import format_bytes", ["records imports units"]),
        ("probes.base", "from ..sinks.base import Sink", ["probes.base imports sinks.base"]),
        ("probes.base", "from ..tracefile import encode", ["probes.base imports tracefile.encode"]),
        ("sinks.memory", "def f():\n    import fwmemtrace.session", ["sinks.memory imports session"]),
        ("analysis.results", "from fwmemtrace import tracefile", ["analysis.results imports tracefile"]),
        ("session", "from . import trace", ["session imports trace"]),
        ("phases", "from .errors import PhaseError", []),
    ],
)
def test_the_rules_see_a_breach(module, source, broken):
    assert broken_rules(module, source) == broken


def test_session_alone_joins_probes_and_sinks():
    joining = [
        module
        for module, path in MODULES.items()
        if {"probes", "sinks"} <= {name.partition(".")[0] for name in imports_of(module, path.read_text())}
    ]
    assert joining == ["session"]


def test_nothing_imports_testing():
    importers = [m for m, path in MODULES.items() if "testing" in imports_of(m, path.read_text())]
    assert importers == []


@pytest.mark.parametrize("module", [name for name in sorted(MODULES) if name.startswith("analysis")])
def test_analysis_does_no_input_or_output(module):
    """It takes an iterable of records and gives results: no file, no process, no text for people."""
    forbidden = {"os", "io", "sys", "pathlib", "subprocess", "socket", "logging", "mmap", "tempfile", "rich", "memray"}
    tree = ast.parse(MODULES[module].read_text())
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            named.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}
    assert named & forbidden == set()
