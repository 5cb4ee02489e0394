"""The section on where RSS rose, in every format."""

from __future__ import annotations

import re

import pytest

from fwmemtrace import results
from fwmemtrace.analysis.process_analysis import ProcessAnalysis
from fwmemtrace.analysis.summary import ProcessInput, summarise
from fwmemtrace.records import ModuleImport, PhaseBegin, PhaseEnd, RssChange, SampledStack, SessionBegin, SessionEnd
from fwmemtrace.reports import Options, document_of, write_html, write_markdown, write_text

MB = 10**6
OWN = "/srv/app/semantic_guard.py"
ONNX = "/venv/lib/python3.11/site-packages/onnxruntime/capi/session.py"


def records():
    yield SessionBegin(1, "id", 7, 0, "0", "3.11", "linux", [], 0, 0, 10 * MB, 10 * MB, "kernel", ["imports"], {})
    yield PhaseBegin(1, 0, "main", 11, 1, 10 * MB)
    yield ModuleImport(1, "numpy", None, "app:1", 0, 11, 2, 25 * MB, 25 * MB, 1, 1, None, None, False)
    yield SampledStack(1, [("run", ONNX, 5), ("encode", OWN, 88), ("main", OWN, 99)])
    yield SampledStack(2, [("remember", OWN, 12), ("main", OWN, 98)])
    yield SampledStack(3, [("note", OWN, 15), ("main", OWN, 97)])
    yield RssChange(3, 3335 * MB, 3300 * MB, 11, 1)
    yield RssChange(4, 3435 * MB, 100 * MB, 11, 2)
    yield RssChange(5, 3436 * MB, 1 * MB, 11, 3)
    yield RssChange(6, 1436 * MB, -2000 * MB, 0, 0)
    yield PhaseEnd(1, 7, 1437 * MB, 3436 * MB)
    yield SessionEnd(8, 1437 * MB, 3436 * MB, 0)


@pytest.fixture
def report() -> results.TraceReport:
    analysis = ProcessAnalysis(7)
    analysis.read(records())
    return summarise([ProcessInput(analysis, analysis.report())])


def text(document):
    return write_text(document, Options(top=5, width=120))


@pytest.mark.parametrize("write", [text, write_markdown, write_html])
def test_the_line_and_its_bytes_are_in_every_format(report, write):
    page = re.sub(r"<[^>]+>|[|`]", " ", write(document_of(report, Options(top=5))).replace("&nbsp;", " "))
    page = " ".join(page.split())
    assert "+3.30 GB 3.30 GB app/semantic_guard.py:88 encode onnxruntime" in page
    assert "+1.0 MB 1.0 MB 1 smaller item" in page
    assert "+25.0 MB imports, see Imports" in page
    assert "-2.00 GB given back" in page
    assert "+1.0 MB not attributed" in page
    assert "+1.43 GB RSS change of the session" in page


def test_the_section_follows_the_phases(report):
    ids = [section.id for section in document_of(report, Options()).sections]
    assert ids.index("rises-7") == ids.index("phases-7") + 1


def test_without_a_timeline_there_is_no_section():
    analysis = ProcessAnalysis(7)
    analysis.read(record for record in records() if not isinstance(record, RssChange))
    made = summarise([ProcessInput(analysis, analysis.report())])
    assert "rises-7" not in [section.id for section in document_of(made, Options()).sections]


def test_rises_inside_the_import_system_are_imports(report):
    analysis = ProcessAnalysis(7)
    frames = [("compile", ONNX, 1), ("_find_and_load", "<frozen importlib._bootstrap>", 1), ("main", OWN, 2)]
    analysis.read([*records(), SampledStack(9, frames), RssChange(9, 1500 * MB, 63 * MB, 11, 9)])
    (rises,) = analysis.report().rises
    assert rises.imported_bytes == 88 * MB
    assert all(row.bytes != 63 * MB for row in rises.stacks)
    assert rises.rss_delta_bytes == sum(
        (rises.imported_bytes, rises.risen_bytes, rises.fallen_bytes, rises.unattributed_bytes)
    )
