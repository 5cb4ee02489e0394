"""The page in a browser: it shows what the JSON report says, and answers to mouse and keyboard. Chromium draws it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

import fwmemtrace
from fwmemtrace import phase, results
from fwmemtrace.reports import HtmlReport, Options
from fwmemtrace.reports.visible import visible
from fwmemtrace.results import suite
from fwmemtrace.units import format_bytes

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = sync_api.expect
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]

MB = 10**6
Open: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # As root, as in a container, Chromium has no sandbox.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a page from disk. Whatever it complains of or asks the network for fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(source: str, *, width: int = 1280, scheme: str = "light", fragment: str = "") -> Any:
        file = tmp_path / "page.html"
        file.write_text(source, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def source(trace: fwmemtrace.Trace) -> str:
    return trace.report("html", budget="20MB")


def show(page: Any, section: str) -> Any:
    """A section, drawn."""
    found = page.locator(f"#{section}")
    found.scroll_into_view_if_needed()
    expect(found.locator(".body > *").first).to_be_attached()
    return found


def paths(page: Any) -> list[str]:
    return [row.get_attribute("data-path") for row in page.locator("#phases tr[data-path]").all()]


def test_the_figures_are_those_of_the_json_report(open_page: Open, trace: fwmemtrace.Trace, source: str) -> None:
    page = open_page(source)
    show(page, "phases")
    made = json.loads(trace.report("json"))
    rows = {row["path"]: row for row in made["phases"]}
    assert set(paths(page)) == set(rows)
    for row in page.locator("#phases tr[data-path]").all():
        expected = rows[row.get_attribute("data-path")]
        cells = [cell.get_attribute("data-value") for cell in row.locator("td.right").all()]
        inner = expected["native"]["including_inner"]
        figures = [
            expected["resident"] and expected["resident"]["delta_bytes"],
            expected["resident"] and expected["resident"]["peak_bytes"],
            inner["live_bytes"],
            inner["peak_bytes"],
            inner["allocated_bytes"],
        ]
        assert cells[:5] == [None if figure is None else str(figure) for figure in figures]
        assert cells[-2:] == [str(expected["calls"]), str(expected["wall_ns"])]
    (process,) = made["trace"]["processes"]
    chips = page.locator("#head .chips").inner_text()
    assert format_bytes(process["peak_bytes"]) in chips
    assert "exceeded" in chips
    steps = show(page, "waterfall").locator("text.value").all_text_contents()
    assert steps[0] == format_bytes(process["before_session_bytes"])
    assert steps[-1] == format_bytes(process["end_bytes"])
    live = sum(row["native"]["live_bytes"] for row in made["phases"])
    assert f"Total: {format_bytes(live)}" in show(page, "stacks").inner_text()


def test_every_section_is_drawn(open_page: Open, source: str) -> None:
    page = open_page(source)
    sections = [one.get_attribute("id") for one in page.locator("section.card").all()]
    wanted = ["timeline", "phases", "waterfall", "stacks", "holding", "imports", "tensors", "growth", "source"]
    assert sections == wanted
    for section in wanted:
        assert show(page, section).locator(".body").bounding_box()["height"] > 40
    assert "email.mime.text" in page.evaluate("document.getElementById('data').textContent")
    assert page.locator("#growth figure").count() >= 3
    assert page.locator("#source tr.hot").count() >= 3
    assert "for number in range(60):" in page.locator("#source").inner_text()


def test_a_search_a_sort_and_a_click(open_page: Open, source: str) -> None:
    page = open_page(source)
    show(page, "phases")
    page.get_by_label("Find a phase").fill("pars")
    expect(page.locator("#phases tr[data-path]")).to_have_count(2)
    assert paths(page) == ["request", "request/parse"]
    page.get_by_label("Find a phase").fill("")
    expect(page.locator("#phases tr[data-path='init']")).to_be_attached()
    page.locator("#phases th button", has_text="calls").click()
    counts = [
        int(row.locator("td.right").nth(-2).get_attribute("data-value"))
        for row in page.locator("#phases tr[aria-level='1']").all()
    ]
    assert counts[:-1] == sorted(counts[:-1], reverse=True)
    page.locator("#phases tr[data-path='init'] td.name").click()
    assert "model=small" in page.locator("#phases .details").inner_text()
    assert "RSS change" in page.locator("#phases .details").inner_text()
    assert "phase=init" in page.url
    page.reload()
    show(page, "phases")
    assert page.locator("#phases tr.chosen").get_attribute("data-path") == "init"


def test_a_range_of_time_filters_what_is_below(open_page: Open, trace: fwmemtrace.Trace, source: str) -> None:
    page = open_page(source)
    show(page, "timeline")
    rows = {row.path: row for row in trace.phases}
    assert "init" in rows
    box = page.locator("#timeline .overlay").bounding_box()
    right = box["x"] + box["width"] - 10
    page.mouse.move(right, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(right - 60, box["y"] + 40, steps=4)
    page.mouse.up()
    assert re.search(r"from=\d+&to=\d+", page.url)
    show(page, "phases")
    assert "init" not in paths(page)
    assert "init" not in show(page, "growth").inner_text()
    page.get_by_role("button", name="Clear selection").click()
    show(page, "phases")
    assert "init" in paths(page)


def test_the_keyboard_reads_the_timeline_and_walks_the_stacks(open_page: Open, source: str) -> None:
    page = open_page(source)
    drawn = "document.querySelector('#source .anchor').focus(); document.querySelectorAll('#source tr.hot').length"
    assert page.evaluate(drawn) > 0  # though it is not in view
    show(page, "timeline")
    overlay = page.locator("#timeline .overlay")
    overlay.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "RSS " in page.locator("#timeline .readout").inner_text()
    page.keyboard.press("Shift+ArrowRight")
    assert "from=" in page.url
    page.keyboard.press("Escape")
    assert "from=" not in page.url
    stacks = show(page, "stacks")
    stacks.locator("canvas").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert "all phases" not in stacks.locator(".readout").inner_text()
    page.keyboard.press("Enter")
    assert stacks.locator(".crumbs button").count() >= 2
    page.keyboard.press("Escape")
    assert stacks.locator(".crumbs").is_hidden()
    stacks.get_by_role("button", name="allocated", exact=True).focus()
    page.keyboard.press("Enter")  # the buttons are made anew, and the same one has the focus
    expect(stacks.get_by_role("button", name="allocated", exact=True)).to_be_focused()


def test_a_category_is_shown_in_the_timeline_by_phase_and_in_the_treemap(
    open_page: Open, trace: fwmemtrace.Trace, source: str
) -> None:
    page = open_page(source)
    ledger = {row.path: row for row in trace.summary().ledger or []}
    show(page, "timeline").get_by_role("button", name="native heap").press("Enter")
    assert "kind=native+heap" in page.url
    header = show(page, "phases").locator("th").all_text_contents()
    cells = page.locator("#phases tr[data-path='init'] td")
    shown = int(cells.nth(header.index("native heap")).get_attribute("data-value"))
    assert shown == sum(item.bytes for item in ledger["init"].items if item.category == "native heap")
    groups = show(page, "holding").locator(".group")
    assert groups.count() - 1 == show(page, "holding").locator(".group.faded").count() > 0
    page.locator("#holding .group:not(.faded)").press("Enter")
    assert "kind=" not in page.url
    assert "native heap" not in show(page, "phases").locator("th").all_text_contents()


def test_a_line_leads_to_its_stacks_and_a_growing_phase_to_the_others(open_page: Open, source: str) -> None:
    page = open_page(source)
    show(page, "growth").get_by_role("button", name="request", exact=True).first.click()
    assert "phase=request" in page.url
    line = show(page, "source").locator("tr.hot td.number button").first
    number = line.inner_text()
    line.click()
    assert "phase=" not in page.url
    expect(page.get_by_label("Search stacks")).to_have_value(f"service.py:{number}")
    expect(page.locator("#stacks .readout")).to_have_text(re.compile(r"^Matched: [1-9]"))


def test_source_has_colours(open_page: Open, source: str) -> None:
    code = show(open_page(source), "source").locator("td.code")
    assert "for" in code.locator(".keyword").all_text_contents()
    assert '"request"' in code.locator(".string").all_text_contents()


def test_the_stacks_are_searched_and_turned(open_page: Open, trace: fwmemtrace.Trace, source: str) -> None:
    page = open_page(source)
    stacks = show(page, "stacks")
    total = stacks.locator(".readout").inner_text()
    for arrangement in ("Inverted", "By library"):
        stacks.get_by_role("button", name=arrangement).click()
        assert stacks.locator(".readout").inner_text() == total
    stacks.get_by_role("button", name="By phase").click()
    page.get_by_label("Search stacks").fill("service.py")
    expect(stacks.locator(".readout")).to_have_text(re.compile("^Matched"))
    assert re.search(r"Matched: \S+ \w+ of \S+ \w+ \(\d", stacks.locator(".readout").inner_text())
    page.get_by_label("Search stacks").fill("no such function")
    expect(stacks.locator(".readout")).to_have_text(re.compile("^Matched: 0 B"))
    stacks.get_by_role("button", name="allocated", exact=True).click()
    allocated = sum(row.native.allocated_bytes for row in trace.phases if row.native)
    assert format_bytes(allocated) in stacks.locator(".readout").inner_text()


def test_the_theme_is_switched_and_kept(open_page: Open, source: str) -> None:
    page = open_page(source, scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme").click()
    light = page.evaluate(colour)
    assert light != dark
    page.reload()
    assert page.evaluate(colour) == light


def test_all_of_the_page_is_printed_in_light_colours(open_page: Open, source: str) -> None:
    page = open_page(source, scheme="dark")
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(colour) not in (dark, "rgba(0, 0, 0, 0)")
    assert "for number in range(60):" in page.locator("#source").inner_text()
    assert page.locator("#growth figure").count() >= 3
    assert page.locator("#waterfall svg").bounding_box()["width"] < 700  # as wide as paper, whatever the window is
    page.emulate_media(media="print")
    assert page.locator("#timeline .overlay").is_hidden()  # Chromium prints what is cleared on a canvas as white
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(colour) == dark


def test_a_chart_is_saved_as_csv(open_page: Open, trace: fwmemtrace.Trace, source: str) -> None:
    page = open_page(source)
    show(page, "phases")
    with page.expect_download() as saved:
        page.locator("#phases button.csv").click()
    lines = Path(saved.value.path()).read_text().splitlines()
    assert lines[0].startswith("path,RSS_change_bytes,peak_RSS_bytes")
    assert {line.split(",")[0] for line in lines[1:]} == {row.path for row in trace.phases}


@pytest.mark.parametrize("width", [390, 2560])
def test_nothing_is_wider_than_the_screen(open_page: Open, source: str, width: int) -> None:
    page = open_page(source, width=width)
    for section in page.locator("section.card").all():
        show(page, section.get_attribute("id"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width


NAMES = [
    "<b>bold</b>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a/b\\c",
    "red \x1b[31m",
    "two\nlines",
    "\u202eright to left",
    "lone \ud800",
    "__proto__",
    "$columns",
    "=1+1",
    "日本語",
    "x" * 10_000,
]


def test_odd_names_are_text(open_page: Open, tmp_path: Path) -> None:
    path = tmp_path / "names.bin"
    with fwmemtrace.session(path, interval=0):
        for name in NAMES:
            with phase(name), phase("inner " + name):
                pass
    page = open_page(fwmemtrace.read(path).report("html"))
    show(page, "phases")
    page.get_by_role("button", name="Expand").click()
    titles = [name.get_attribute("title") for name in page.locator("#phases td.name code").all()]
    texts = page.locator("#phases td.name code").all_text_contents()
    for name in NAMES[:-1]:
        assert visible(name) in texts
    assert len(titles) == len(texts) == 2 * len(NAMES)
    assert any(text.startswith("xxx") and text.endswith("xxx") and len(text) < 200 for text in texts)
    page.locator("#phases tr[aria-level='1'] td.name").nth(1).click()
    assert "<\\/script><script>alert(1)<\\/script>" in page.locator("#phases .details").inner_text()  # as in a path


def spread(size: int) -> suite.Spread:
    return suite.Spread(median_bytes=size, low_bytes=size, high_bytes=size, runs=1)


def test_the_charts_of_a_suite(open_page: Open, trace: fwmemtrace.Trace) -> None:
    lever = suite.SuiteLever(
        component="guard",
        action="set variable",
        subject="MALLOC_ARENA_MAX=2",
        lever="",
        kind="allocator",
        now_bytes=500 * MB,
        saves_low_bytes=20 * MB,
        saves_high_bytes=35 * MB,
        after_bytes=465 * MB,
        basis="measured",
        phase="init",
        evidence=[suite.SuiteFact(kind="service peak", text="", bytes=[540 * MB])],
    )
    order = [
        suite.SuiteShare(name="guard", alone_bytes=500 * MB, marginal_bytes=500 * MB, shared_bytes=0),
        suite.SuiteShare(name="<b>cache</b>", alone_bytes=120 * MB, marginal_bytes=30 * MB, shared_bytes=90 * MB),
    ]
    report = msgspec.structs.replace(
        trace.summary(),
        suite=suite.Suite(
            file="guards.py",
            repeat=1,
            bare_bytes=9 * MB,
            memory_limit_bytes=0,
            limited_by="",
            components=[
                suite.SuiteComponent(
                    name=one.name, outcome="ok", held=spread(one.alone_bytes), peak=spread(one.alone_bytes)
                )
                for one in order
            ],
            sharing=suite.SuiteSharing(
                order=order,
                sum_of_parts_bytes=620 * MB,
                together_bytes=530 * MB,
                together_peak_bytes=540 * MB,
                shared=[],
            ),
            matrix=[lever],
            plan=suite.SuitePlan(
                measure="rss",
                limit_bytes=400 * MB,
                within_budget=False,
                now=spread(540 * MB),
                result=spread(505 * MB),
                now_other_bytes=None,
                result_other_bytes=None,
                steps=[
                    suite.SuiteStep(
                        component="guard",
                        action="set variable",
                        subject="MALLOC_ARENA_MAX=2",
                        step="",
                        alone_bytes=35 * MB,
                        after_bytes=505 * MB,
                    )
                ],
                remains=[],
                packages=[],
            ),
            budget=suite.SuiteBudget(limit_bytes=400 * MB, peak_bytes=540 * MB, need_bytes=140 * MB),
        ),
    )
    page = open_page(HtmlReport().render(report, Options()), width=900)
    assert [one.get_attribute("id") for one in page.locator("section.card").all()] == ["plan", "together", "levers"]
    assert show(page, "plan").locator("rect.suite.over").count() == 3
    assert format_bytes(505 * MB) in show(page, "plan").locator("text").all_text_contents()
    together = show(page, "together").locator("text").all_text_contents()
    assert "<b>cache</b>" in together
    assert format_bytes(530 * MB) in together
    assert show(page, "together").locator("rect.suite.shared").count() == 2
    assert "20.0 to 35.0 MB" in show(page, "levers").locator("text").all_text_contents()


def test_ten_thousand_phases_and_fifty_thousand_stacks(open_page: Open, trace: fwmemtrace.Trace) -> None:
    """As large as a page gets: it stays below 12 MB, and its table and stacks can be used."""
    from fwmemtrace.analysis.stack_tree import StackTreeBuilder

    builder = StackTreeBuilder(("live", "at peak", "allocated", "allocations", "temporary"))
    process = trace.summary().trace.processes[0]
    rows = []
    for number in range(10_000):
        path = f"group {number // 100}/item {number}"
        resident = results.Resident(before_bytes=1, after_bytes=2, delta_bytes=number * 4096, peak_bytes=10**8)
        rows.append(results.PhaseRow(path=path, pid=process.pid, calls=1, errors=0, wall_ns=number, resident=resident))
        for stack in range(5):
            frames = [
                results.Frame(function=f"function_{stack}_{depth}", file=f"/srv/app/module_{depth}.py", line=depth + 1)
                for depth in range(4)
            ]
            builder.add(path, frames, (1000 + number, 1000, 5000 + stack, 3, 7))
    details = results.Details(
        processes=[
            results.ProcessDetails(
                pid=process.pid,
                paths=[],
                calls=results.Calls(
                    path=[],
                    parent=[],
                    thread=[],
                    begin_ns=[],
                    end_ns=[],
                    before_bytes=[],
                    after_bytes=[],
                    peak_bytes=[],
                    error={},
                ),
                marks=[],
                levels=[],
                native=builder.result(),
            )
        ]
    )
    report = results.TraceReport(
        trace=results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[process]),
        phases=rows,
    )
    made = HtmlReport().render_detailed(report, details, Options())
    assert len(made) < 12_000_000
    page = open_page(made)
    show(page, "phases")
    assert page.locator("#phases tr[data-path]").count() <= 200
    page.get_by_label("Find a phase").fill("item 9999")
    expect(page.locator("#phases tr[data-path]")).to_have_count(1)
    stacks = show(page, "stacks")
    assert f"Total: {format_bytes(sum(5 * (1000 + number) for number in range(10_000)))}" in stacks.inner_text()
