"""The page's script: its modules in node, and Python's side of what both must agree on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwmemtrace.reports.html.columns import pack
from fwmemtrace.reports.html.page import encode, script
from fwmemtrace.reports.visible import visible
from fwmemtrace.units import format_bytes, format_count, format_duration

NODE = shutil.which("node")
ASSETS = Path(str(files("fwmemtrace.reports.html").joinpath("assets")))

needs_node = pytest.mark.skipif(NODE is None, reason="needs node")


def run(source: str, given_data: Any) -> Any:
    """Runs an ES module in node, with data as `given`; what it prints is JSON."""
    program = f'import {{ readFileSync }} from "node:fs"; const given = JSON.parse(readFileSync(0, "utf8"));\n{source}'
    command = [str(NODE), "--input-type=module", "-e", program]
    done = subprocess.run(command, input=json.dumps(given_data), capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def imported(names: str, module: str) -> str:
    return f"import {{ {names} }} from {json.dumps((ASSETS / module).as_uri())};\n"


@needs_node
@pytest.mark.slow
def test_the_parts_that_draw_nothing() -> None:
    tests = Path(__file__).with_name("parts.test.mjs")
    done = subprocess.run(
        [str(NODE), "--test", str(tests)],
        env={**os.environ, "ASSETS": str(ASSETS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE)


KEYS = st.sampled_from(["path", "pid", "__proto__", "a", "$n", "$columns"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e9, 1e9)
    | st.text("a/é\ud800\U0001f600", max_size=4)
)
ROWS = st.recursive(
    SCALARS | st.dictionaries(KEYS, SCALARS, min_size=1, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(st.fixed_dictionaries({"path": inner, "parent": st.none() | inner}), min_size=4, max_size=6)
    ),
    max_leaves=10,
)


def filled(value: Any) -> Any:
    """The value as a table keeps it: a row without a key has null there, and 1.0 is 1."""
    if isinstance(value, list):
        rows = [filled(inner) for inner in value]
        if len(rows) >= 4 and all(isinstance(row, dict) for row in rows):
            keys = dict.fromkeys(key for row in rows for key in row)
            return [{key: row.get(key) for key in keys} for row in rows]
        return rows
    if isinstance(value, dict):
        return {key: filled(inner) for key, inner in value.items()}
    return value


@needs_node
@pytest.mark.slow
@settings(max_examples=6)  # each starts node, so that few have to be large
@given(st.lists(ROWS, max_size=30))
def test_what_is_packed_is_unpacked_as_it_was(values: list[Any]) -> None:
    source = imported("unpack", "unpack.mjs") + "console.log(JSON.stringify(given.map(unpack)));"
    assert run(source, [pack(value) for value in values]) == [filled(value) for value in values]


@needs_node
@pytest.mark.slow
def test_figures_and_names_are_written_as_in_the_other_formats() -> None:
    sizes = [0, 1, 999, 999.4, 1000, 999_949, 999_951, 1_234_567, 999_949_999, 10**12, 5 * 10**14]
    sizes += [-size for size in sizes[1:]]
    texts = [
        "plain",
        "red \x1b[31m",
        "two\nlines\t",
        "\u202eleft",
        "naïve 日本",
        "\x7f\x85\xa0\u2028",
        "\U0001f600",
        "\ud800",
    ]
    source = (
        imported("formatBytes, formatCount, formatDuration, visible", "format.mjs")
        + """
        const { sizes, texts } = given;
        const signed = sizes.map((one) => formatBytes(one, true));
        const [plain, durations, counts] = [formatBytes, formatDuration, formatCount].map((write) =>
            sizes.map((one) => write(one)));
        console.log(JSON.stringify([signed, plain, durations, counts, texts.map(visible)]));
    """
    )
    assert run(source, {"sizes": sizes, "texts": texts}) == [
        [format_bytes(size, signed=True) for size in sizes],
        [format_bytes(size) for size in sizes],
        [format_duration(size) for size in sizes],
        [format_count(round(size)) for size in sizes],
        [visible(text) for text in texts],
    ]


@settings(max_examples=30)
@given(st.recursive(st.text(max_size=9), lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner)))
def test_data_in_a_script_element_is_ascii_and_ends_no_element(data: Any) -> None:
    text = encode(data)
    assert text.isascii()
    assert not set(text) & set("<>&")
    assert json.loads(text) == data


def test_the_script_has_every_module_once_and_no_import() -> None:
    made = script()
    names = {path.stem for path in ASSETS.glob("*.mjs")}
    assert sorted(re.findall(r"^modules\.(\w+) = ", made, re.MULTILINE)) == sorted(names)
    assert not re.search(r"^(import|export) ", made, re.MULTILINE)
    assert "</script" not in made
