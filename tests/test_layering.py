"""Who may import whom: rooms by the first table, modules inside a room by its layers, and nobody in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fwmemtrace

PACKAGE = Path(fwmemtrace.__file__).parent

GROUND = {
    "_version",
    "lazy",
    "errors",
    "foreign_errors",
    "records",
    "units",
    "paths",
    "packages",
    "values",
    "varint",
    "redaction",
}

# For each room (a folder or module of fwmemtrace), the other rooms that its code may import, lazily or not, for types
# or not. In the order of the data's way; docs/design.md has the same table in words.
MAY_IMPORT: dict[str, set[str]] = {
    "_version": set(),
    "lazy": set(),
    "errors": {"values"},
    "records": {"lazy"},
    "foreign_errors": set(),
    "paths": set(),
    "core": set(),
    "packages": set(),
    "values": {"paths"},
    "varint": set(),
    "redaction": {"errors", "values"},
    "units": {"errors"},
    "plugins": {"errors"},
    "config": {"errors", "units", "redaction"},
    # in the traced process
    "tracing": {"errors", "foreign_errors", "paths", "values", "redaction"},
    "system": {"core", "errors", "foreign_errors", "records"},
    "symbols": {"core", "system"},
    "heap": {"errors", "foreign_errors", "records", "system"},
    "probes": GROUND - {"_version"} | {"config", "tracing", "system", "heap", "core", "capture", "tracefile"},
    "sinks": {"lazy", "errors", "foreign_errors", "records", "system", "core", "tracefile", "values"},
    "recording": GROUND | {"config", "core", "plugins", "tracing", "system", "probes", "sinks"},
    # in any process, later
    "tracefile": {"core", "errors", "foreign_errors", "records", "paths", "values"},
    "results": {"paths"},
    "capture": {"core", "errors", "paths", "packages", "symbols", "system", "tracefile", "results", "varint"},
    "analysis": {"errors", "records", "paths", "packages", "values", "results", "capture"},
    "reports": GROUND - {"_version", "records"} | {"results", "analysis", "capture"},
    "exporters": {
        "_version",
        "lazy",
        "errors",
        "records",
        "units",
        "paths",
        "values",
        "varint",
        "results",
        "analysis",
        "plugins",
        "reports",
    },
    "trace": GROUND | {"plugins", "system", "tracefile", "capture", "results", "analysis", "reports"},
    # what puts both together
    "fleet": {"errors", "records", "units", "results", "reports", "trace"},
    "suite": GROUND | {"config", "tracing", "system", "heap", "recording", "trace", "results", "analysis"},
    "cli": GROUND
    | {"__init__", "config", "core", "plugins", "tracing", "system", "recording", "trace", "tracefile", "capture"}
    | {"results", "analysis", "reports", "exporters", "suite", "fleet"},
    "integrations": GROUND | {"config", "tracing", "system", "sinks", "recording", "results", "analysis", "trace"},
    "__init__": GROUND | {"tracing", "heap", "recording", "trace", "probes"},
    "__main__": {"cli"},
}

# Where only one part of a room is open to another one.
ONLY: dict[tuple[str, str], set[str]] = {
    ("probes", "tracefile"): {"tracefile.layout"},
    ("probes", "capture"): {"capture.markers", "capture.intervals"},
    ("capture", "tracefile"): {"tracefile.layout"},
    ("sinks", "tracefile"): {"tracefile.layout", "tracefile.encode", "tracefile.first_record"},
    ("analysis", "capture"): {
        "capture.heap_rows",
        "capture.own_frames",
        "capture.library_names",
        "capture.stacks",
    },
    ("reports", "capture"): {"capture.stacks"},
    ("exporters", "reports"): {"reports.visible"},
    ("__init__", "probes"): {"probes.native.markers_only"},
    ("__init__", "heap"): {"heap.deep_size"},
}

# Inside a room: a module may import those of the rows above its own, and never one of its own row or below. Modules
# that are not named lie below all that are.
LAYERS: dict[str, list[set[str]]] = {
    "system": [
        {"system.descriptors", "system.garbage_collector", "system.mapped_paths"},
        {"system.proc"},
        {"system.held_reads"},
        {"system.cgroup"},
        {
            "system.address_space",
            "system.allocators",
            "system.backing",
            "system.pressure",
            "system.elf",
            "system.interpreters",
            "system.proc_meter",
            "system.psutil_meter",
            "system.own_memory",
            "system.smaps",
        },
        {"system.counter_slack", "system.elf_symbols", "system.meters"},
    ],
    "symbols": [
        {"symbols.demangle", "symbols.elf_file"},
        {"symbols.debug_files", "symbols.symbol_table"},
        {"symbols.library"},
    ],
    "heap": [
        {"heap.accelerators", "heap.local_variables", "heap.referents", "heap.tensor_names"},
        {"heap.storages"},
        {"heap.census"},
        {"heap.array_names", "heap.chain_steps", "heap.deep_size", "heap.live_storages"},
        {"heap.reference_chains"},
    ],
    "config": [{"config.checks"}, {"config.deployment"}, {"config.settings"}],
    "tracing": [
        {"tracing.span", "tracing.names"},
        {"tracing.decorators"},
        {"tracing.phases"},
        {"tracing.active"},
        {"tracing.current_tracer"},
    ],
    "recording": [
        {"recording.control", "recording.spawned"},
        {"recording.description", "recording.sink_guard", "recording.probe_set", "recording.workers"},
        {"recording.phase_recorder"},
        {"recording.compiled_recorder"},
        {"recording.sampling"},
        {"recording.session"},
        {"recording.starting"},
        {"recording.switch"},
    ],
    "capture": [
        {
            "capture.markers",
            "capture.ranges",
            "capture.frames",
            "capture.native_records",
            "capture.stall",
            "capture.library_names",
            "capture.short_names",
            "capture.counters",
            "capture.intervals",
        },
        {
            "capture.level",
            "capture.debug_lines",
            "capture.hybrid",
            "capture.own_frames",
            "capture.heap_file",
            "capture.compiled_records",
        },
        {"capture.tally", "capture.native_frames"},
        {"capture.runs", "capture.stacks", "capture.capture_file"},
        {"capture.mapped", "capture.heap_rows"},
        {"capture.thread_phases"},
        {"capture.fold", "capture.compiled_fold"},
        {"capture.largest"},
        {"capture.rows", "capture.samples"},
        {"capture.messages"},
        {"capture.by_phase", "capture.reader_processes"},
        {"capture.isolated"},
        {"capture.lone_capture", "capture.readers"},
    ],
    "reports": [
        {"reports.base", "reports.share", "reports.visible"},
        {"reports.inline"},
        {"reports.blocks"},
        {
            "reports.console",
            "reports.disturbance",
            "reports.fitting",
            "reports.holder_words",
            "reports.ledger_words",
            "reports.sites",
            "reports.tree",
        },
        {"reports.cause_words", "reports.difference_words"},
        {"reports.out_of_memory_words"},
        {
            "reports.heap_tables",
            "reports.timeline",
            "reports.summary",
            "reports.import_section",
        },
        {
            "reports.allocations",
            "reports.growth_section",
            "reports.ledger_sections",
            "reports.heap_section",
            "reports.phase_table",
            "reports.rises_section",
            "reports.suite.words",
        },
        {"reports.suite.plan"},
        {"reports.notebook", "reports.trace_sections", "reports.import_report", "reports.suite.summary"},
        {"reports.suite.components", "reports.suite.models", "reports.advice"},
        {"reports.suite.sections"},
        {"reports.flame", "reports.live", "reports.selection"},
        {"reports.document", "reports.difference"},
        {"reports.worded"},
        {"reports.html.document", "reports.html.columns"},
        {"reports.html.data", "reports.html.page"},
        {"reports.html.report"},
        {"reports.terminal", "reports.markdown", "reports.html", "reports.json"},
        {"reports.check_report", "reports.formats"},
    ],
    "tracefile": [
        {"tracefile.layout", "tracefile.checksum"},
        {"tracefile.encode", "tracefile.decode"},
        {"tracefile.parts"},
        {"tracefile.reader"},
        {"tracefile.follow"},
    ],
    "results": [
        {"results.base", "results.suite_profile"},
        {"results.suite_levers"},
        {"results.suite_plan"},
        {"results.suite"},
        {
            "results.ledger",
            "results.native",
            "results.objects",
            "results.process",
            "results.python_heap",
            "results.tensors",
        },
        {"results.check", "results.diff", "results.growth", "results.imports", "results.phases"},
        {"results.summary"},
        {"results.report", "results.details"},
    ],
    "analysis": [
        {
            "analysis.call_series",
            "analysis.edge_rises",
            "analysis.growth_sharing",
            "analysis.open_phases",
            "analysis.rise_tree",
            "analysis.rise_lines",
            "analysis.rise_steps",
            "analysis.program_command",
            "analysis.rss_breakdown",
            "analysis.stack_tree",
            "analysis.standing_rises",
            "analysis.theil_sen",
            "analysis.timeline",
            "analysis.worker_forecast",
        },
        {"analysis.growth_verdict", "analysis.ledger_native", "analysis.phase_rows"},
        # A fold knows nothing of the other folds.
        {
            "analysis.call_levels",
            "analysis.calls",
            "analysis.collector",
            "analysis.growth",
            "analysis.holders",
            "analysis.imports",
            "analysis.ledger",
            "analysis.marks",
            "analysis.objects",
            "analysis.process_fold",
            "analysis.python_heap",
            "analysis.readings",
            "analysis.tensors",
        },
        {"analysis.joint_causes", "analysis.memory_kinds"},
        {"analysis.causes", "analysis.copied_pages", "analysis.next_runs"},
        {"analysis.out_of_memory"},
        {"analysis.details", "analysis.findings", "analysis.further_runs"},
        {"analysis.process_analysis"},
        {"analysis.summary"},
    ],
    "fleet": [
        {"fleet.tables"},
        {"fleet.rows"},
        {"fleet.dataset", "fleet.traces"},
        {"fleet.engines", "fleet.watching"},
        {"fleet.questions"},
        {"fleet.answers"},
    ],
    "trace": [
        {"trace.capture", "trace.deep", "trace.data_frames", "trace.heap", "trace.sources"},
        {"trace.process"},
        {"trace.details"},
        {"trace.trace"},
        {"trace.live"},
    ],
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


GRAPH = {module: imports_of(module, path.read_text()) for module, path in MODULES.items()}


def layer_of(module: str, layers: list[set[str]]) -> int:
    return next((number for number, names in enumerate(layers) if module in names), len(layers))


def broken_rules(module: str, source: str) -> list[str]:
    """What this module imports though it may not."""
    room = module.partition(".")[0]
    broken = []
    for imported in sorted(imports_of(module, source)):
        other = imported.partition(".")[0]
        if other == room:
            layers = LAYERS.get(room, [])
            mine, theirs = layer_of(module, layers), layer_of(imported, layers)
            if imported != room and mine <= theirs < len(layers):
                broken.append(f"{module} imports {imported}")
            continue
        opened = ONLY.get((room, other))
        if other not in MAY_IMPORT[room] or (opened is not None and imported not in opened):
            broken.append(f"{module} imports {imported}")
    return broken


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or not (Tarjan's strongly connected components)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in graph.get(module, ()):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in graph:
        if module not in number:
            visit(module)
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_it_may(module):
    assert module.partition(".")[0] in MAY_IMPORT, "a new room: decide in MAY_IMPORT what it may import"
    assert broken_rules(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("records.base", "from ..units import format_bytes", ["records.base imports units"]),
        ("probes.base", "from ..sinks.base import Sink", ["probes.base imports sinks.base"]),
        ("probes.base", "from ..tracefile import encode", ["probes.base imports tracefile.encode"]),
        (
            "sinks.memory",
            "def f():\n    import fwmemtrace.trace",
            ["sinks.memory imports trace"],
        ),
        ("results.report", "from fwmemtrace import tracefile", ["results.report imports tracefile"]),
        ("recording.session", "from .. import trace", ["recording.session imports trace"]),
        ("capture.tally", "from .fold import CaptureFold", ["capture.tally imports capture.fold"]),
        ("tracing.phases", "from ..errors import PhaseError", []),
    ],
)
def test_the_rules_detect_a_breach(module, source, broken):
    assert broken_rules(module, source) == broken


def test_no_modules_import_each_other_in_a_circle():
    assert circles(GRAPH) == []


def test_no_rooms_import_each_other_in_a_circle():
    rooms: dict[str, set[str]] = {}
    for module, imported in GRAPH.items():
        room = module.partition(".")[0]
        rooms.setdefault(room, set()).update({name.partition(".")[0] for name in imported} - {room})
    rooms["cli"].discard("__init__")  # the name of the package itself, where `python -m fwmemtrace` looks for it
    assert circles(rooms) == []


def test_a_circle_is_detected():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_the_tables_name_only_what_exists():
    planned = {"integrations"}
    rooms = {module.partition(".")[0] for module in MODULES}
    assert set(MAY_IMPORT) - rooms <= planned
    named = [name for layers in LAYERS.values() for names in layers for name in names]
    opened = [name for names in ONLY.values() for name in names]
    assert [name for name in [*named, *opened] if name not in MODULES] == []


def test_only_recording_joins_probes_and_sinks():
    joining = {
        module.partition(".")[0]
        for module, imported in GRAPH.items()
        if {"probes", "sinks"} <= {name.partition(".")[0] for name in imported}
    }
    assert joining == {"recording"}


@pytest.mark.parametrize("module", [name for name in sorted(MODULES) if name.startswith(("analysis", "results"))])
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
