"""Generates pages of docs/ from the code's own constants and types, and the figures in them from saved results.

Run it from the repository after a change: `python docs/make.py`. A test fails while a page is stale.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import msgspec

from fwmemtrace import cli, records
from fwmemtrace.config import Settings
from fwmemtrace.reports.json import schema
from fwmemtrace.results import (
    check,
    diff,
    growth,
    heap,
    imports,
    ledger,
    native,
    objects,
    phases,
    process,
    python_heap,
    report,
    rises,
    suite,
    suite_levers,
    suite_plan,
    suite_profile,
    summary,
    tensors,
)
from fwmemtrace.tracefile import encode, layout
from fwmemtrace.units import format_duration

DOCS = Path(__file__).resolve().parent
RESULTS = DOCS / "benchmarks.json"
sys.path.insert(0, str(DOCS.parent))
from benchmarks import results as results_of_benchmarks  # noqa: E402 - it is no installed package
from causes import table as table_of_causes  # noqa: E402 - nor is this


def report_schema() -> str:
    """docs/report.schema.json."""
    return json.dumps(schema(), indent=2) + "\n"


def report_page() -> str:
    """docs/report.md: the JSON report key by key, from the types' docstrings and the comments behind their fields."""
    modules = (
        report,
        process,
        phases,
        native,
        heap,
        python_heap,
        objects,
        tensors,
        imports,
        ledger,
        growth,
        rises,
        summary,
        suite_profile,
        suite_levers,
        suite_plan,
        suite,
        diff,
        check,
    )
    base = importlib.import_module(f"{report.__package__}.base")
    return "\n".join([_REPORT, *(table for module in modules for table in _tables(module)), *_tables(base)])


_REPORT = """\
# The JSON report

`fwmemtrace report --format json` writes one object, the `TraceReport` below. The format is stable: within a version
keys are added, and none is renamed, removed or given another meaning. The JSON Schema is
[report.schema.json](report.schema.json).

Sizes are integers of bytes, times are integers of nanoseconds. `null` means that the probe was not on; it never stands
for 0.
"""


_FRAMES = """\
A trace file is a header followed by frames. It is only ever appended to, one whole frame at a time, and each frame is
handed to the kernel immediately: a process that is killed leaves every record that it had written. All numbers are
little-endian.

{header}

{frame}

A reader takes every frame whose checksum is right. Where one is wrong, it searches for the next whole frame, and
counts the bytes between as damaged. A payload length over {max_payload} bytes is damage. Frames of an unknown kind
are skipped: a newer version may have written them.

After the last frame there may be up to {reserved} bytes reserved for the next ones. They are zero, except for a frame
that a kill has left unfinished: its length is written last. Neither is damage.

A payload is one MessagePack array with the fields of the record, in the order of the tables below. Records of a newer
version may have more fields, which a reader ignores; records of an older version may have fewer, and the defaults
apply. The number of a kind is never reused, and a field never changes its position or meaning. Nothing in a trace is
ever executed. Texts are UTF-8; surrogates, which UTF-8 cannot encode, are written as escapes such as `\\udc80`.

All sizes are in bytes. Names that end in `_ns` are nanoseconds, on the monotonic clock except for `started_unix_ns`.

A process with the `native` probe writes memray's capture next to its trace, under the name of the trace with
`{suffix}` appended. When the session is stopped, the capture is moved into the trace as records of the kind
`CaptureChunk`; after a crash it remains next to the trace. The tables of the probe `heap` are treated the same way,
with `{heap_suffix}` appended.

Where the size of a trace is limited (`max_trace_size`), it continues in further files, its parts:
`trace.bin{part_suffix}2` and so on. Each is a trace file of the same process whose first record is a `TracePart`. The
first part and the newest ones are kept, and the oldest of the others are removed, so numbers may be missing. A reader
continues with a part if its `TracePart` names the session of the first part. The number in a file's name only gives the
order; the number in `TracePart` is authoritative.

A worker process writes its own trace, `trace.<pid>.bin` next to `trace.bin`, with the same `session_id` and in the same
format.

For example, this is the header written by process 4242, and a phase `init` that begins in it:

{example}
"""
_PHASE = records.PhaseBegin(
    span=1, parent=0, name="init", thread_id=4242, time_ns=1_000_000, rss_bytes=20_000_000, attributes=None
)


def trace_format_page() -> str:
    """docs/trace-format.md: trace.bin byte by byte, from the structures that write it and the record classes."""
    magic = f"`{layout.MAGIC.decode()}`"
    header = _layout(
        layout.HEADER.format,
        [
            ("magic", magic),
            ("format version", f"{layout.FORMAT_VERSION}"),
            ("byte-order mark", f"`{layout.BYTE_ORDER_MARK:#06x}`"),
            ("pid", "of the writing process"),
            ("lost records", "records lost so far for want of space; updated twice a second while there is none"),
        ],
    )
    frame = _layout(
        layout.FRAME_HEAD.format,
        [("payload length", "bytes"), ("kind", "the number of a record below")],
        [
            ("payload", "payload length", "the record's fields"),
            ("CRC-32", f"{layout.FRAME_CRC.size}", "of length, kind and payload, as `zlib.crc32` computes it"),
        ],
    )
    text = _FRAMES.format(
        header=f"The header, {layout.HEADER.size} bytes:\n\n{header}",
        frame=f"A frame, {layout.FRAME_OVERHEAD} bytes around its payload:\n\n{frame}",
        max_payload=f"{layout.MAX_PAYLOAD:,}",
        reserved=f"{layout.MAX_RESERVED:,}",
        suffix=layout.CAPTURE_SUFFIX,
        heap_suffix=layout.HEAP_SUFFIX,
        part_suffix=layout.PART_SUFFIX,
        example=_hex(encode.header(4242)) + "\n" + _hex(encode.frame(_PHASE)),
    )
    title = f"# The trace file, version {layout.FORMAT_VERSION}\n\n"
    schema_version = f"## Records, schema version {records.SCHEMA_VERSION}\n\n"
    return title + text + "\n" + schema_version + "\n".join(_record_tables())


def _layout(format: str, fields: list[tuple[str, str]], more: list[tuple[str, str, str]] | None = None) -> str:
    """A table of a structure's fields with their offsets."""
    rows = ["| offset | bytes | field | value |", "| --- | --- | --- | --- |"]
    offset = 0
    for (name, value), code in zip(fields, re.findall(r"\d*[a-zA-Z]", format), strict=True):
        size = struct.calcsize("<" + code)
        rows.append(f"| {offset} | {size} | {name} | {value} |")
        offset += size
    rows += [f"| | {size} | {name} | {value} |" for name, size, value in more or []]
    return "\n".join(rows)


def _hex(data: bytes) -> str:
    """Sixteen bytes a line, as an indented block."""
    lines = (data[start : start + 16] for start in range(0, len(data), 16))
    return "\n".join(
        f"    {line.hex(' '):47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in line)}" for line in lines
    )


def _record_tables() -> list[str]:
    """A section for each record class, in the order of their numbers, and for the rows inside them."""
    numbered = {cls.__name__: kind for kind, cls in records.kinds().items()}
    sources = [path.read_text() for path in sorted(Path(records.__file__).parent.glob("[!_]*.py"))]
    classes = [
        (source, node) for source in sources for node in ast.parse(source).body if isinstance(node, ast.ClassDef)
    ]
    sections = []
    for source, node in classes:
        if node.name == "Record":
            continue
        lines = source.splitlines()
        kind = numbered.get(node.name)
        title = f"### {node.name}\n\n" if kind is None else f"### {kind} {node.name}\n\n"
        rows = ["| | field | type | default | meaning |", "| --- | --- | --- | --- | --- |"]
        fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
        fields = [field for field in fields if not ast.unparse(field.annotation).startswith("ClassVar")]
        for number, field in enumerate(fields):
            comment = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")[2]
            type_text = ast.unparse(field.annotation).replace("|", "\\|")
            default = f"`{ast.unparse(field.value)}`" if field.value is not None else ""
            rows.append(f"| {number} | `{ast.unparse(field.target)}` | `{type_text}` | {default} | {comment} |")
        doc = inspect.cleandoc(ast.get_docstring(node) or "")
        sections.append((kind or 0, f"{title}{doc}\n\n" + "\n".join(rows) + "\n"))
    parts = [text for kind, text in sorted(sections, key=lambda section: section[0]) if kind]
    inner = [text for kind, text in sections if not kind]
    return [*parts, "## Rows inside records\n\nEach is an array of its fields too.\n", *inner]


def _tables(module: ModuleType) -> list[str]:
    """A section for each type of a module; a type comes before those that it contains."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    parts = []
    for node in reversed(ast.parse(source).body):
        if not isinstance(node, ast.ClassDef) or not node.bases or ast.unparse(node.bases[0]) == "msgspec.Struct":
            continue
        parts.append(f"## {node.name}\n\n{inspect.cleandoc(ast.get_docstring(node) or '')}\n")
        base = ast.unparse(node.bases[0])
        if base not in ("Result", "SuiteResult"):
            parts.append(f"It has all keys of `{base}`, and:\n")
        rows = ["| key | type | meaning |", "| --- | --- | --- |"]
        for field in node.body:
            if isinstance(field, ast.AnnAssign):
                comment = lines[(field.end_lineno or field.lineno) - 1].partition("  # ")[2]
                kind = ast.unparse(field.annotation).replace("|", "\\|")
                rows.append(f"| `{ast.unparse(field.target)}` | `{kind}` | {comment} |")
        parts.append("\n".join(rows) + "\n")
    return parts


def settings_page() -> str:
    """docs/settings.md: every setting, its default, and where it may be given."""
    meanings = dict(re.findall(r"(?ms)^    (\w+): (.*?)(?=^    \w+: |\Z)", inspect.cleandoc(Settings.__doc__ or "")))
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for field in msgspec.structs.fields(Settings):
        default = _DEFAULTS.get(field.name, repr(getattr(Settings(), field.name)))
        rows.append(f"| `{field.name}` | `{default}` | {' '.join(meanings[field.name].split())} |")
    return _SETTINGS + "\n".join(rows) + "\n"


_DEFAULTS = {"interval": format_duration(Settings().interval), "sample_bytes": "512KiB"}
_SETTINGS = """\
# Settings

A setting can be an argument of `fwmemtrace.session` and `fwmemtrace.start`, an environment variable
`FWMEMTRACE_<NAME>` (for the target, `FWMEMTRACE` itself), or a key of `[tool.fwmemtrace]` in the pyproject.toml of
the current folder or one above. If it is given in several places, arguments win over variables, and variables over
pyproject.toml. An unknown setting or a bad value is an error that says where it was set.

In a variable, names are separated by commas or spaces, and switches are true or false, 1 or 0, yes or no, on or off.
Durations are seconds, or text such as `50ms`.

Labels are a mapping, in a variable `key=value,key=value`; those from several places are merged. `service`, `instance`
and `labels` can also come from OpenTelemetry's `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`: the attribute
`service.name` is the service, `service.instance.id` the instance, and all others are labels. Every other place wins
over these two.

"""


def command_line_page() -> str:
    """docs/command-line.md: every command and its arguments, from the parsers themselves."""
    parts = [_COMMAND_LINE]
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers()
    for command in cli.COMMANDS:
        importlib.import_module(f"{cli.__name__}.{command}").add(subparsers)
        parts += _command(command, subparsers.choices[command], "##")
    return "\n".join(parts)


def _command(name: str, parser: argparse.ArgumentParser, heading: str) -> Iterator[str]:
    """A section for a command with its arguments, and one for each of its own commands."""
    rows: list[str] = []
    inner: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner = action.choices
        elif "--help" not in action.option_strings:
            rows.append(f"| {_argument(action)} | {(action.help or '').replace('%%', '%')} |\n")
    table = "| argument | meaning |\n| --- | --- |\n" + "".join(rows) if rows else ""
    yield f"{heading} {name}\n\n{parser.description}\n" + (f"\n{table}" if table else "")
    for command, own in inner.items():
        yield from _command(f"{name} {command}", own, f"{heading}#")


_COMMAND_LINE = """\
# The command line

Run `fwmemtrace COMMAND` or `python -m fwmemtrace COMMAND`. The exit status is 0 for success, 1 for an exceeded budget
or limit, and 2 for wrong usage or unreadable input, with one line on stderr. `run` exits with its program's status.
"""


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    metavar = metavar.replace("|", "\\|")
    names = ", ".join(f"`{option}`" for option in action.option_strings)
    if not names:
        return f"`{metavar}`" + (" ..." if action.nargs in ("*", "+", argparse.REMAINDER) else "")
    return names if action.nargs == 0 else f"{names} `{metavar}`"


_BENCHMARKS = re.compile(r"(?ms)^<!-- benchmarks: ([\w ,]+) -->\n.*?^<!-- end of benchmarks -->\n")


def with_benchmarks(page: str) -> str:
    """Returns a page with the tables between its marks made from docs/benchmarks.json.

    A mark is `<!-- benchmarks: phases, census -->`, with the names of the benchmarks whose rows follow, up to
    `<!-- end of benchmarks -->`.
    """

    def block(match: re.Match[str]) -> str:
        rows = [row for name in match[1].split(", ") for row in results_of_benchmarks.load(RESULTS, name)]
        table = results_of_benchmarks.markdown(rows)
        return f"<!-- benchmarks: {match[1]} -->\n\n{table}\n<!-- end of benchmarks -->\n"

    return _BENCHMARKS.sub(block, page)


_SAMPLE = re.compile(r"(?ms)^<!-- sample: (\w+)(?:: ([^\n]+))? -->\n.*?^<!-- end of sample -->\n")


def with_samples(page: str) -> str:
    """Returns a page with the output of commands between its marks copied from docs/samples/.

    A mark is `<!-- sample: guard: Phases; RSS rises[4] -->`: the name of a sample, and the parts of it that are shown,
    by their first lines, up to an empty line or to a number of lines. Without parts, all of it is shown. The end is
    `<!-- end of sample -->`. `python docs/samples.py` runs the commands.
    """

    def block(match: re.Match[str]) -> str:
        output = (DOCS / "samples" / f"{match[1]}.txt").read_text(encoding="utf-8")
        mark = match[0].partition("\n")[0]
        shown = "\n".join(f"    {line}".rstrip() for line in _parts_of(output, match[2]))
        return f"{mark}\n\n{shown}\n\n<!-- end of sample -->\n"

    return _SAMPLE.sub(block, page)


def _parts_of(output: str, parts: str | None) -> list[str]:
    """Returns the lines of an output that a mark asks for, and "..." where lines between them are left out."""
    command, *lines = output.rstrip("\n").split("\n")
    if parts is None:
        return [command, "", *lines]
    shown = [command]
    for part in parts.split("; "):
        title, most = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", part).groups()  # type: ignore[union-attr]
        if title not in lines:
            raise ValueError(f"no part {title!r} in the output of {command}")
        start = lines.index(title)
        end = lines.index("", start) if "" in lines[start:] else len(lines)
        shown += ["", *lines[start : min(end, start + int(most or len(lines)))]]
        if most and start + int(most) < end:
            shown.append("...")
    return shown


_CAUSES = re.compile(r"(?ms)^<!-- causes -->\n.*?^<!-- end of causes -->\n")


def with_causes(page: str) -> str:
    """Returns a page with the tables between its marks made from docs/causes.json."""
    verdicts = table_of_causes.load(DOCS / "causes.json")
    tables = "\n".join(table_of_causes.markdown(kind, list(rows.values())) for kind, rows in verdicts.items())
    block = f"<!-- causes -->\n\n{tables}\n<!-- end of causes -->\n"
    return _CAUSES.sub(lambda _: block, page)


def with_figures(name: str) -> str:
    """A page that is written by hand, with everything between its marks made from saved results."""
    return with_causes(with_samples(with_benchmarks((DOCS / name).read_text(encoding="utf-8"))))


PAGES: dict[str, Callable[[], str]] = {
    "report.schema.json": report_schema,
    "report.md": report_page,
    "trace-format.md": trace_format_page,
    "settings.md": settings_page,
    "command-line.md": command_line_page,
}
PAGES |= {page.name: partial(with_figures, page.name) for page in sorted(DOCS.glob("*.md")) if page.name not in PAGES}


def main() -> None:
    """Write the pages that differ."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, make in PAGES.items():
        page, text = DOCS / name, make()
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
            print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
