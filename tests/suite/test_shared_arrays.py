"""Equal numpy arrays of several components become one: all but one copy of the memory goes."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from .conftest import PLANTED, run_suite

pytestmark = pytest.mark.slow

MB = 1_000_000

HOLDERS = """
    import weakref
    import numpy
    from fwmemtrace.suite.shared_arrays import share_equal_arrays

    def make():
        return numpy.arange(100_000, dtype="int64")

    class Slots:
        __slots__ = ("table", "unset")

    class Plain:
        pass

    def closure(table):
        return lambda: table

    slots, plain, given, listed, nested = Slots(), Plain(), closure(make()), [make()], {"a": {"b": make()}}
    slots.table, plain.table = make(), make()
    view = make().reshape(100, 1000)  # another shape
    part = make()[10:]
    other = make() + 1
    in_tuple = (make(),)
    def found():
        return [slots.table, plain.table, given(), listed[0], nested["a"]["b"]]
    before = [weakref.ref(one) for one in found()]
    (twin,) = share_equal_arrays()
    assert (twin.library, twin.dtype, twin.shape, twin.bytes) == ("numpy", "int64", [100_000], 800_000)
    assert twin.copies == 6, twin
    assert len({id(one) for one in found()}) == 1
    assert sum(one() is not None for one in before) <= 1
    assert (found()[0] == make()).all()
    assert view.shape == (100, 1000) and len(part) == 99_990 and other[0] == 1 and len(in_tuple[0]) == 100_000
    slots.table, plain.table, listed[0], nested, given, in_tuple = (None,) * 6
    assert share_equal_arrays() == []
"""


def test_whatever_holds_a_copy_holds_the_same_array_afterwards():
    pytest.importorskip("numpy")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(HOLDERS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_equal_arrays_of_several_components_are_one_way_to_the_budget(tmp_path, monkeypatch):
    numpy = pytest.importorskip("numpy")
    monkeypatch.chdir(tmp_path)
    numpy.save("equal_arrays.npy", numpy.random.default_rng(0).random(2_500_000))
    arguments = ("--repeat", "1", "--budget", "10MB", "--skip", "native,python,deferred,arenas")
    done = run_suite(PLANTED / "equal_arrays.py", tmp_path / "s.bin", *arguments)
    assert done.status == 1, done.errors
    (lever,) = [lever for lever in done.suite["matrix"] if lever["action"] == "share equal tensors"]
    assert (lever["component"], lever["basis"]) == ("the service", "measured")
    assert 30 * MB < lever["in_service_bytes"] < 45 * MB
    assert 30 * MB < lever["in_service_peak_bytes"] < 45 * MB
    facts = {fact["kind"]: fact for fact in lever["evidence"]}
    assert facts["equal tensor"]["bytes"] == [20 * MB]
    assert [step["action"] for step in done.suite["plan"]["steps"]] == ["share equal tensors"]


def test_components_with_arrays_of_one_type_that_differ_get_no_lever(tmp_path):
    pytest.importorskip("numpy")
    arguments = ("--repeat", "1", "--budget", "10MB", "--skip", "native,python,arenas,deferred")
    done = run_suite(f"{PLANTED / 'equal_arrays.py'}:different", tmp_path / "s.bin", *arguments)
    assert done.status == 1, done.errors
    assert "share equal tensors" not in [lever["action"] for lever in done.suite["matrix"]]
    assert done.suite["plan"]["steps"] == []
