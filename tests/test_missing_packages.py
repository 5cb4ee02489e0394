"""What needs an optional package that is not installed says which extra brings it."""

from __future__ import annotations

import sys

import pytest

import fwmemtrace
from fwmemtrace.cli import main


@pytest.fixture
def trace(tmp_path):
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        pass
    return tmp_path / "trace.bin"


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("pympler", "objects", lambda trace: fwmemtrace.deep_size([])),
        ("pyarrow", "arrow", lambda trace: trace.to_arrow()),
        ("pandas", "pandas", lambda trace: trace.to_pandas()),
        ("polars", "polars", lambda trace: trace.to_polars()),
    ],
)
def test_python_raises_an_error_that_is_an_import_error_too(monkeypatch, trace, package, extra, call):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(fwmemtrace.MissingPackageError, match=rf"needs {package}.*fwmemtrace\[{extra}\]") as caught:
        call(fwmemtrace.read(trace))
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("shtab", "completion", ["completion", "bash"]),
        ("pyarrow", "arrow", ["export", "{trace}", "--to", "parquet", "-o", "{trace}.tables"]),
    ],
)
def test_a_command_ends_with_one_line(monkeypatch, capsys, trace, package, extra, arguments):
    monkeypatch.setitem(sys.modules, package, None)
    assert main([argument.format(trace=trace) for argument in arguments]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert f"needs {package}" in printed
    assert f"fwmemtrace[{extra}]" in printed
