"""What is shipped: entry points, public names, the marker for type checkers, and an import that costs little."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path

import msgspec
import pytest

import fwmemtrace
from fwmemtrace import plugins, records, sinks

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_entry_points_are_the_built_in_ones():
    table = dict(PYPROJECT["project"]["entry-points"])
    assert table.pop("pytest11") == {"fwmemtrace": "fwmemtrace.integrations.pytest_plugin"}
    assert table == {group: entries for group, entries in plugins.BUILT_IN.items() if entries}


def test_an_installed_package_registers_them():
    try:
        version("fwmemtrace")
    except PackageNotFoundError:
        pytest.skip("runs from a checkout, not installed")
    for group, entries in plugins.BUILT_IN.items():
        registered = {entry.name: entry.value for entry in entry_points(group=group)}
        assert {name: registered.get(name) for name in entries} == entries


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, entries in plugins.BUILT_IN.items() for name in entries]
)
def test_every_built_in_plugin_is_there(group, name):
    assert callable(plugins.load(group, name))


def test_py_typed_is_shipped():
    assert Path(fwmemtrace.__file__).with_name("py.typed").is_file()


def test_the_public_names_exist():
    assert sorted(fwmemtrace.__all__) == dir(fwmemtrace)
    missing = [name for name in fwmemtrace.__all__ if not hasattr(fwmemtrace, name)]
    assert missing == []


@pytest.mark.parametrize("module", ["probes", "sinks", "reports", "exporters", "records", "config"])
def test_the_names_of_a_public_module_exist(module):
    public = importlib.import_module(f"fwmemtrace.{module}")
    assert sorted(public.__all__) == sorted(set(public.__all__))
    assert {name: hasattr(public, name) for name in public.__all__} == dict.fromkeys(public.__all__, True)
    assert set(public.__all__) <= set(dir(public))
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = public.no_such_thing


def test_every_record_and_every_built_in_sink_is_public():
    structs = {cls for cls in vars(records).values() if isinstance(cls, type) and issubclass(cls, msgspec.Struct)}
    assert {cls.__name__ for cls in structs} <= set(records.__all__)
    classes = {target.rpartition(":")[2] for target in plugins.BUILT_IN["fwmemtrace.sinks"].values()}
    assert set(sinks.__all__) == {*classes, "Sink", "as_json"}


@pytest.mark.parametrize("module", ["probes", "sinks"])
def test_importing_a_public_module_loads_none_of_its_classes(module):
    code = f"import sys, fwmemtrace; a = set(sys.modules); import fwmemtrace.{module}; print(*set(sys.modules) - a)"
    assert run_python(code).split() == [f"fwmemtrace.{module}"]


def test_a_session_loads_nothing_that_only_other_settings_need():
    code = """
import sys, fwmemtrace
with fwmemtrace.session("/dev/null"), fwmemtrace.phase("a"):
    print(*sys.modules)
"""
    loaded = {name.partition(".")[0] for name in run_python(code).split()}
    assert loaded & {"psutil", "memray", "rich", "json", "logging", "dataclasses", "difflib", "urllib"} == set()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = fwmemtrace.no_such_thing


def test_importing_it_loads_nothing_heavy():
    code = """
import sys, json
before = set(sys.modules)
import fwmemtrace
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    loaded = json.loads(run_python(code))
    heavy = {
        *("memray", "rich", "pympler", "objgraph", "tracemalloc", "psutil", "msgspec", "torch", "numpy"),
        *("argparse", "asyncio", "typing", "inspect", "functools", "threading", "dataclasses", "logging"),
    }
    # typing and functools may be loaded already, by site: only what fwmemtrace itself imports counts.
    assert {name.partition(".")[0] for name in loaded} & heavy == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_importing_it_costs_at_most_2_megabytes():
    code = """
import os
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = rss()
import fwmemtrace
print(rss() - before)
"""
    assert int(run_python(code)) <= 2_000_000


def test_torch_is_pinned_wherever_it_is_named():
    """An unpinned torch brings gigabytes of CUDA libraries along."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    named = [need for needs in extras.values() for need in needs if re.match(r"torch\b", need)]
    assert named
    assert all("==" in need for need in named)
    assert not re.search(r"\btorch\b(?!==)", (ROOT / "tox.ini").read_text().replace("real torch", ""))


def test_continuous_integration_runs_the_line_that_readme_gives():
    readme = (ROOT / "README.md").read_text().splitlines()
    lines = [line.strip() for line in readme if line.startswith("    python3.11")]
    assert len(lines) == 2
    assert lines[1] in [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
