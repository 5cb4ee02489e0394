"""The documented examples run as they are printed, and the reference names everything there is."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import cli, plugins

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


# A process of its own for each page: the figures shown are those of a fresh one.
RUN_A_PAGE = """
import doctest, sys
page, options = sys.argv[1], int(sys.argv[2])
failed, tried = doctest.testfile(page, module_relative=False, optionflags=options, encoding="utf-8")
sys.exit(0 if tried and not failed else f"{failed} of {tried} examples failed")
"""


@pytest.mark.parametrize("page", [page for page in PAGES if ">>> " in page.read_text()], ids=lambda page: page.name)
def test_examples_of_a_page(page, tmp_path):
    command = [sys.executable, "-c", RUN_A_PAGE, str(page), str(OPTIONS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SAMPLES = runpy.run_path(str(ROOT / "docs" / "samples.py"))["COMMANDS"]
GENERATED = {"report.md", "trace-format.md", "settings.md", "command-line.md"}  # by docs/make.py, all of each


def unmarked_output(page: str) -> list[str]:
    """The blocks of a page that show measured figures, but are neither copied from a sample nor examples that run."""
    by_hand = re.sub(r"(?ms)^<!-- (\w+)[:\w ,;/\[\]]* -->\n.*?^<!-- end of \1s? -->\n", "", page)
    blocks = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+|^```[^`]*^```", by_hand)
    figure = re.compile(r"""\d (?:B|kB|MB|GB|us|ms|s)\b(?!")""")  # in quotes it is part of code
    return [block for block in blocks if figure.search(block) and ">>> " not in block]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: page.name)
def test_output_in_a_page_is_generated(page):
    """Mark it, and let docs/make.py copy it: see `with_samples` there."""
    assert unmarked_output(page.read_text()) == []


def test_output_pasted_into_a_page_is_detected():
    marked = "<!-- sample: guard: Phases -->\n\n    $ run\n\n    init  +1.2 MB\n\n<!-- end of sample -->\n"
    doctest = "    >>> print(size)\n    1.2 MB\n"
    pasted = "    init  +1.2 MB\n"
    assert unmarked_output(f"Text.\n\n{marked}\nText.\n\n{doctest}\n    $ check --budget 300MB\n\nText.\n") == []
    assert unmarked_output(f"{marked}\nText.\n\n    $ run\n\n{pasted}") != []
    assert unmarked_output(f"Text.\n\n```\n{pasted}```\n") != []


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_what_its_command_printed(name):
    command, output = (ROOT / "docs" / "samples" / f"{name}.txt").read_text().split("\n", 1)
    assert command == f"$ {SAMPLES[name]}", "run `python docs/samples.py`"
    assert output.strip()
    without_routes = re.sub(r"\bGET /\S+", "", output)
    assert not re.search(r"(?:^|[\s(])/\w+/", without_routes), "a path of the machine that it ran on"


def test_every_sample_is_shown_and_saved():
    shown = {name for page in PAGES for name in re.findall(r"^<!-- sample: (\w+)", page.read_text(), re.MULTILINE)}
    saved = {path.stem for path in (ROOT / "docs" / "samples").glob("*.txt")}
    assert set(SAMPLES) == shown == saved


SOURCE = Path(fwmemtrace.__file__).parent


@pytest.mark.parametrize(
    "module",
    [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for path in sorted(SOURCE.rglob("*.py"))
        if ">>> " in path.read_text()
    ],
)
def test_examples_of_docstrings(module):
    try:
        documented = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fwmemtrace"):
            raise
        pytest.skip(f"needs {error.name}, which comes with an extra")
    failed, tried = doctest.testmod(documented, optionflags=OPTIONS)
    assert tried > 0
    assert failed == 0


def test_the_tutorial_and_the_how_to_have_examples_that_run():
    names = {page.name for page in PAGES if ">>> " in page.read_text()}
    assert {"tutorial.md", "how-to.md", "reference.md"} <= names


@pytest.mark.parametrize(
    "name",
    [
        *fwmemtrace.__all__,
        *(name for group in ("probes", "sinks", "reports") for name in plugins.BUILT_IN[f"fwmemtrace.{group}"]),
    ],
)
def test_the_reference_names_it(name):
    if name in ("Phase", "Session", "Trace", "__version__"):  # what phase, session and read return
        return
    assert re.search(rf"\b{name}\b", (ROOT / "docs" / "reference.md").read_text())


def test_the_command_line_page_has_every_command():
    text = (ROOT / "docs" / "command-line.md").read_text()
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == list(cli.COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        assert not target or target.startswith("http") or (page.parent / target).exists(), target
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in re.findall(r"^#+ .*$", text, re.MULTILINE)
    }
    for anchor in re.findall(r"\]\(#([^)]*)\)", text):
        assert anchor in headings, anchor
