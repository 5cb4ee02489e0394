"""The report of the command `imports`, in every format and at every width."""

from __future__ import annotations

import pytest

from fwmemtrace import results
from fwmemtrace.reports import Options
from fwmemtrace.reports.formats import FORMATS
from fwmemtrace.reports.import_report import import_document
from fwmemtrace.results import ImportCost


def module(name: str, parent: str | None, size: int) -> results.Import:
    return results.Import(module=name, parent=parent, own_bytes=size, cumulative_bytes=size, wall_ns=10**6)


def cost(*imports: results.Import, unaccounted: int = 0) -> ImportCost:
    return ImportCost(
        modules=["app"],
        before_bytes=17_000_000,
        rss_delta_bytes=123_400_000,
        peak_bytes=140_400_000,
        wall_ns=10**9,
        unaccounted_bytes=unaccounted,
        imports=list(imports),
        packages=[],
        libraries=[],
        ledger=[],
    )


def test_text_keeps_figures_whole_in_a_narrow_terminal() -> None:
    document = import_document(cost(module("app" * 20, None, 123_400_000)), top=5)
    text = FORMATS["text"](document, Options(width=70))
    assert "123.4 MB    123.4 MB" in text
    assert all(len(line) <= 70 for line in text.splitlines())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_summary_and_the_tree(name: str) -> None:
    document = import_document(cost(module("app", None, 123_400_000), module("lib", "app", 1_000_000)), top=1)
    page = FORMATS[name](document, Options(width=200))
    assert "adds 123.4 MB to the 17.0 MB of an interpreter, in 1.0 s and 2 modules." in page
    assert "1 more module" in page
    assert "more modules" not in page


@pytest.mark.parametrize(("unaccounted", "share"), [(0, "100%"), (12_340_000, "90.0%")])
def test_the_share_that_modules_account_for(unaccounted: int, share: str) -> None:
    document = import_document(cost(module("app", None, 100), unaccounted=unaccounted), top=1)
    assert f"The modules below account for {share}." in FORMATS["text"](document, Options(width=200))
