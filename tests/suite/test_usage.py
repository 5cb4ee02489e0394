"""The modules that a component uses: what it calls and reads, but not what an import does by itself."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading

import pytest

from fwmemtrace.suite.deferred import Deferral
from fwmemtrace.suite.usage import Usage

MODULES = {
    "u_called": "def call(): return 1\n",
    "u_read": "DATA = [1]\n",
    "u_ignored": "DATA = [1]\ndef call(): return 1\n",
    "u_at_import": "import u_ignored\nu_ignored.call()\nu_ignored.DATA\n",
    "u_package/__init__": "from . import part\nVALUE = part.VALUE\n",
    "u_package/part": "from . import other\nVALUE = other.VALUE\n",
    "u_package/other": "VALUE = 3\n",
    "u_taker": "from u_read import DATA\n",
    "u_asker": "import u_read\nimport u_read\ndef ask(): return u_read.DATA\n",
}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    for name, source in MODULES.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    meta_path = list(sys.meta_path)
    yield
    sys.meta_path[:] = meta_path
    for name in set(sys.modules) - before:
        if name.startswith("u_"):
            del sys.modules[name]


def test_called_functions_and_read_attributes_count(modules):
    called, read, ignored = (importlib.import_module(name) for name in ("u_called", "u_read", "u_ignored"))
    with Usage() as usage:
        called.call()
        assert read.DATA
    assert "u_called" in usage.ran()
    assert "u_read" in usage.read()
    assert ignored.__name__ not in {*usage.ran(), *usage.read()}
    assert type(read) is type(sys)


def test_calls_in_other_threads_count(modules):
    called = importlib.import_module("u_called")
    call = called.call
    with Usage() as usage:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert "u_called" in usage.ran()


def test_what_an_import_does_is_not_use(modules):
    with Usage() as usage:
        importlib.import_module("u_at_import")
        usage.watch_modules()
    assert "u_ignored" not in {*usage.ran(), *usage.read()}


def test_functions_written_in_c_count():
    import zlib

    with Usage() as usage:
        zlib.crc32(b"x")
    assert "zlib" in usage.ran()


def defer(*names):
    deferral = Deferral(names, lambda: "here")
    deferral.install()
    return deferral


def test_a_module_that_is_never_read_is_never_loaded(modules):
    deferral = defer("u_read")
    importlib.import_module("u_asker")
    importlib.import_module("u_read")
    record = deferral.record()
    assert (record.put_off, record.loaded) == (["u_read"], {})


def test_reading_a_module_loads_all_of_it(modules):
    deferral = defer("u_read")
    asker = importlib.import_module("u_asker")
    assert asker.ask() == [1]
    assert deferral.record().loaded == {"u_read": "here"}
    assert type(sys.modules["u_read"]) is type(sys)


def test_importing_a_name_from_a_module_loads_it(modules):
    deferral = defer("u_read")
    assert importlib.import_module("u_taker").DATA == [1]
    assert deferral.record().loaded == {"u_read": "here"}


def test_a_package_imports_its_parts_in_its_own_order(modules):
    deferral = defer("u_package")
    package = importlib.import_module("u_package")
    assert deferral.record().loaded == {}
    assert package.VALUE == 3
    assert package.part.VALUE == 3
    assert deferral.record().loaded == {"u_package": "here"}


def test_a_module_written_in_c_is_not_deferred():
    sys.modules.pop("_queue", None)
    deferral = defer("_queue")
    try:
        importlib.import_module("_queue")
        assert deferral.record().put_off == []
    finally:
        sys.meta_path.remove(deferral)
