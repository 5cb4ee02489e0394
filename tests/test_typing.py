"""The types, as a user's mypy and pyright see them in strict mode: from an installed package, in programs and docs."""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import typing
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

import fwmemtrace
from fwmemtrace import config
from fwmemtrace.probes import Probe
from fwmemtrace.recording.arguments import SessionArguments
from fwmemtrace.sinks import Sink

ROOT = Path(__file__).parent.parent
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if ">>> " in page.read_text()]

# Each line that ends in `# error` must have an error, and no other line.
USER_PROGRAM = """
import os
from collections.abc import Iterator

import fwmemtrace
from fwmemtrace import Phase, phase
from fwmemtrace.config import Settings
from fwmemtrace.probes import TimeBudget, Probe, ProbeContext, Span
from fwmemtrace.records import PhaseBegin, Record
from fwmemtrace.sinks import CallbackSink, FanOutSink, MemorySink, TraceFileSink


class Keep:
    def write(self, record: Record) -> None:
        if isinstance(record, PhaseBegin):
            print(record.name.upper(), record.naem)  # error


class Nothing:
    pass


class OpenFiles(Probe):
    name = "open_files"

    def start(self, context: ProbeContext) -> None:
        self.budget: TimeBudget = context.governor.for_probe(0.1)
        context.note("started")

    def phase_began(self, span: Span) -> int | None:
        return len(os.listdir()) if self.budget.grants(span.path) else None

    def phase_ended(self, span: Span, state: int | None) -> None: ...


@phase("add", model="minilm", layers=6)
def add(one: int, two: int) -> int:
    with phase("inner") as inner:
        print(inner.name)
    return one + two


@phase
async def wait(seconds: float) -> str:
    async with phase("asleep", probes=["resident"]):
        return str(seconds)


@phase
def count() -> Iterator[int]:
    yield 1


class Service:
    @phase("answer")
    def answer(self, text: str) -> str:
        return text

    @classmethod
    @phase
    def make(cls) -> "Service":
        return cls()


add(1, 2).bit_length()
add("1", 2)  # error
Service.make().answer("x").upper()
Service.make().answer(3)  # error
next(count()).bit_length()
shared: Phase = phase("shared")
phase(3)  # error
phase("x", key=[1])  # error

with fwmemtrace.session("trace.bin", probes="resident,mappings", interval="50ms", exact_peak=False) as session:
    path: str | None = session.path
with fwmemtrace.session(MemorySink(), probes=["resident", OpenFiles()], required=("resident",), labels={"a": "b"}):
    pass
fwmemtrace.start(sink=FanOutSink(TraceFileSink("a.bin"), Keep(), CallbackSink(print)), service="guard", interval=0.05)
fwmemtrace.session(exact_peek=False)  # error
fwmemtrace.start(exact_peek=False)  # error
fwmemtrace.session(exact_peak="maybe")  # error
fwmemtrace.start(top="3")  # error
fwmemtrace.session(labels={"a": 1})  # error
fwmemtrace.session(probes=[3])  # error
fwmemtrace.session(Nothing())  # error
fwmemtrace.start(sink=Nothing())  # error

print(Settings().exact_peak, Settings().exact_peek)  # error
for row in fwmemtrace.read("trace.bin").phases:
    print(row.path.upper())
    print(row.resident.delta_bytes)  # error
for record in fwmemtrace.read("trace.bin"):
    print(record.kind.bit_length())
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a virtual environment that has the package installed, and the files to check."""
    folder = tmp_path_factory.mktemp("project")
    venv.create(folder / ".venv", symlinks=os.name != "nt")
    variables = {"base": str(folder / ".venv"), "platbase": str(folder / ".venv")}
    site = Path(sysconfig.get_path("purelib", "venv", variables))
    shutil.copytree(Path(fwmemtrace.__file__).parent, site / "fwmemtrace", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "dependencies.pth").write_text(str(Path(msgspec.__file__).parents[1]))
    (folder / "user_program.py").write_text(USER_PROGRAM)
    for page in PAGES:
        examples = doctest.DocTestParser().get_examples(page.read_text())
        (folder / module_of(page)).write_text("".join(example.source for example in examples))
    # An example shows the value of an expression, where a program would use it.
    settings = {"typeCheckingMode": "strict", "reportUnusedExpression": False, "reportUnusedImport": False}
    environment = {"venvPath": str(folder), "venv": ".venv"}
    (folder / "pyrightconfig.json").write_text(json.dumps({**settings, **environment}))
    return folder


def module_of(page: Path) -> str:
    return f"page_{page.stem.replace('-', '_')}.py"


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    return subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=300, check=False)


Errors = dict[str, dict[int, str]]  # by file and line


@pytest.fixture(scope="module")
def mypy(project: Path) -> Errors:
    pytest.importorskip("mypy")
    python = str(project / ".venv" / ("Scripts" if os.name == "nt" else "bin") / "python")
    files = sorted(path.name for path in project.glob("*.py"))
    done = run(project, sys.executable, "-m", "mypy", "--strict", "--python-executable", python, *files)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors: Errors = {}
    for file, line, message in re.findall(r"^(\w+\.py):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        errors.setdefault(file, {})[int(line)] = message
    return errors


@pytest.fixture(scope="module")
def pyright(project: Path) -> Errors:
    pytest.importorskip("pyright")
    command = [sys.executable, "-m", "pyright"]
    try:
        version = run(project, *command, "--version")
    except subprocess.TimeoutExpired:
        pytest.skip("pyright does not start: it needs node, and cannot download it here")
    if version.returncode:
        pytest.skip(f"pyright does not start: {version.stderr.strip() or version.stdout.strip()}")
    done = run(project, *command, "--outputjson")
    errors: Errors = {}
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            errors.setdefault(Path(found["file"]).name, {})[line] = found["message"]
    return errors


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_user_program_has_errors_exactly_where_it_is_wrong(checker: str, request: pytest.FixtureRequest) -> None:
    errors: Errors = request.getfixturevalue(checker)
    lines = USER_PROGRAM.splitlines()
    expected = [number for number, line in enumerate(lines, 1) if line.endswith("# error")]
    found = errors.get("user_program.py", {})
    assert sorted(found) == expected, {number: (lines[number - 1], message) for number, message in found.items()}
    typos = [number for number in expected if "exact_peek=" in lines[number - 1]]
    assert len(typos) == 2
    assert all("exact_peek" in found[number] for number in typos)


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_have_no_errors(checker: str, page: Path, request: pytest.FixtureRequest) -> None:
    errors: Errors = request.getfixturevalue(checker)
    assert errors.get(module_of(page), {}) == {}


def test_the_arguments_of_session_are_the_settings() -> None:
    """Both are written out, for type checkers do not run code."""
    accepted = {
        bool: bool | None,
        int: int | None,
        int | None: int | str | None,
        float: float | None,
        str: str | None,
        tuple[str, ...]: str | Sequence[str] | None,
        dict[str, str]: str | Mapping[str, str] | None,
    }
    expected = {
        name: accepted[kind] for name, kind in typing.get_type_hints(config.Settings).items() if name != "target"
    }
    expected |= {
        "interval": str | float | None,
        "sample_bytes": int | str | None,
        "sink": str | Sink | None,
        "probes": str | Sequence[str | Probe] | None,
    }
    assert typing.get_type_hints(SessionArguments) == expected
