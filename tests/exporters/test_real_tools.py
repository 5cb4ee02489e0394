"""Each format in the tool that it is for. A tool that is not installed skips its tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fwmemtrace import plugins
from fwmemtrace.trace import Trace

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def export(trace: Trace, to: str, path: Path) -> Path:
    plugins.load("fwmemtrace.exporters", to)().export(trace, path)
    return path


def test_otlp_profiles_are_read_by_opentelemetrys_own_messages(native_trace: Trace, tmp_path: Path) -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.profiles.v1development.profiles_service_pb2", reason="needs opentelemetry-proto"
    )
    request = service.ExportProfilesServiceRequest()
    request.ParseFromString(export(native_trace, "otlp-profiles", tmp_path / "x.otlp.pb").read_bytes())
    size = request.ByteSize()
    request.DiscardUnknownFields()
    assert request.ByteSize() == size
    tables = request.dictionary
    text = tables.string_table
    assert text[0] == ""
    for table in (tables.mapping_table, tables.location_table, tables.function_table, tables.stack_table):
        assert table[0] == type(table[0])()
    (resource,) = request.resource_profiles
    about = {each.key: each.value for each in resource.resource.attributes}
    assert about["process.pid"].int_value == native_trace.processes[0].pid
    totals: dict[str, int] = {}
    of_phase: dict[str, int] = {}
    functions = set()
    for profile in resource.scope_profiles[0].profiles:
        kind = text[profile.sample_type.type_strindex]
        assert len(profile.profile_id) == 16
        assert profile.time_unix_nano == native_trace.summary().trace.processes[0].started_unix_ns
        for sample in profile.samples:
            totals[kind] = totals.get(kind, 0) + sum(sample.values)
            for place in tables.stack_table[sample.stack_index].location_indices:
                location = tables.location_table[place]
                functions.add(text[tables.function_table[location.lines[0].function_index].name_strindex])
            for each in (tables.attribute_table[number] for number in sample.attribute_indices):
                assert text[each.key_strindex] == "fwmemtrace.phase.path"
                if kind == "inuse_space":
                    path = each.value.string_value
                    of_phase[path] = of_phase.get(path, 0) + sum(sample.values)
    rows = [row for row in native_trace.phases if row.native is not None]
    assert totals["inuse_space"] == sum(row.native.live_bytes for row in rows if row.native)
    assert totals["alloc_objects"] == sum(row.native.allocations for row in rows if row.native)
    for row in rows:
        if row.path in of_phase and row.native is not None:
            assert of_phase[row.path] == row.native.live_bytes
    assert "init/load" in of_phase
    assert {"grab", "<module>"} <= functions


@pytest.fixture(scope="module")
def profile(native_trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(native_trace, "pprof", tmp_path_factory.mktemp("pprof") / "profile.pb.gz")


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed (apt-get install golang-go)")
class TestPprof:
    def pprof(self, profile: Path, *options: str) -> str:
        home = {"HOME": str(profile.parent), "PPROF_TMPDIR": str(profile.parent)}
        command = ["go", "tool", "pprof", *options, str(profile)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=True, env={**os.environ, **home}
        )
        return done.stdout

    def total(self, text: str) -> int:
        found = re.search(r"(\d+)B? total", text)
        assert found is not None, text
        return int(found[1])

    def test_each_sample_type_adds_up_to_the_report(self, native_trace: Trace, profile: Path) -> None:
        rows = [row.native for row in native_trace.phases if row.native is not None]
        expected = {
            "inuse_space": sum(row.live_bytes for row in rows),
            "alloc_space": sum(row.allocated_bytes for row in rows),
            "alloc_objects": sum(row.allocations for row in rows),
        }
        for name, size in expected.items():
            text = self.pprof(profile, "-top", "-unit=B", f"-sample_index={name}")
            assert f"Type: {name}" in text
            assert self.total(text) == size

    def test_live_bytes_are_the_default(self, profile: Path) -> None:
        assert "Type: inuse_space" in self.pprof(profile, "-top")

    def test_a_phase_can_be_focused_on(self, profile: Path) -> None:
        text = self.pprof(profile, "-top", "-unit=B", "-tagfocus=phase=^init/load$")
        found = re.search(r"accounting for (\d+)B", text)
        assert found is not None, text
        assert 30_000_000 <= int(found[1]) < 30_100_000

    def test_the_leaf_comes_first_and_names_do_not_reach_the_terminal_raw(self, profile: Path) -> None:
        text = self.pprof(profile, "-traces", "-unit=B", "-tagfocus=phase=^init/load$")
        largest = next(part for part in text.split("-----------+") if "30000001B" in part)
        assert largest.index("Malloc") < largest.index("grab") < largest.index("[module]")
        tags = self.pprof(profile, "-tags")
        assert "\\x1b[31mred" in tags
        assert "\x1b" not in tags

    @pytest.mark.skipif(sys.platform != "linux", reason="build IDs are those of ELF files")
    def test_mappings_have_their_build_ids(self, profile: Path) -> None:
        text = self.pprof(profile, "-raw")
        mappings = text[text.index("Mappings") :]
        assert re.search(r"/\S*\.so\S* [0-9a-f]{40} \[FN\]\[FL\]\[LN\]", mappings), mappings


def speedscope_page() -> Path | None:
    command = shutil.which("speedscope")
    page = Path(os.path.realpath(command)).parent.parent / "dist" / "release" / "index.html" if command else None
    return page if page is not None and page.exists() else None


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)")
@pytest.mark.skipif(speedscope_page() is None, reason="speedscope is not installed (npm install -g speedscope)")
def test_speedscope_opens_the_file(native_trace: Trace, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    page_file = speedscope_page()
    assert page_file is not None
    path = export(native_trace, "speedscope", tmp_path / "trace.json")
    problems: list[str] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(page_file.as_uri())
        page.set_input_files("input[type=file]", str(path))
        pid = native_trace.processes[0].pid
        page.get_by_text(f"process {pid}: native live (").wait_for()
        page.get_by_text("Sandwich").click()
        page.get_by_text("_PyObject_Malloc (CPython)").first.wait_for()
        browser.close()
    assert problems == []


def test_duckdb_asks_the_parquet_files(rises_trace: Trace, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    folder = export(rises_trace, "parquet", tmp_path / "tables")
    (found,) = duckdb.sql(
        f"select sum(l.bytes), any_value(p.rss_delta_bytes) from '{folder}/ledger.parquet' l "
        f"join '{folder}/phases.parquet' p using (pid, path) where path = 'init/load'"
    ).fetchall()
    resident = rises_trace["init/load"].resident
    assert resident is not None
    assert found == (resident.delta_bytes, resident.delta_bytes)
    long_names = f"select count(*) from '{folder}/phases.parquet' where length(name) = 10000"
    assert duckdb.sql(long_names).fetchall() == [(1,)]


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed (apt-get install graphviz)")
def test_graphviz_draws_what_keeps_types_alive(tmp_path: Path) -> None:
    program = (
        "import fwmemtrace\nfrom fwmemtrace import phase\n"
        "Odd = type('Odd\\x1b[31m<b>\"\\\\', (), {})\ncache = {}\n"
        "with fwmemtrace.session('trace.bin', probes=['objects']):\n"
        "    for call in range(8):\n        with phase('fill'):\n"
        "            cache[call] = [Odd() for _ in range(5000)]\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=300)
    from fwmemtrace.trace import read

    path = export(read(tmp_path / "trace.bin"), "dot", tmp_path / "graph.dot")
    done = subprocess.run(["dot", "-Tsvg", str(path)], capture_output=True, text=True, timeout=300, check=True)
    assert "Odd\\x1b[31m&lt;b&gt;" in done.stdout
