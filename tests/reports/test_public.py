"""`fwmemtrace.reports` and `fwmemtrace.exporters` export what reports and exporters are written with."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from fwmemtrace import plugins

MODULES = ["fwmemtrace.reports", "fwmemtrace.exporters"]


@pytest.mark.parametrize("name", MODULES)
def test_every_name_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    for exported in module.__all__:
        assert getattr(module, exported).__name__ == exported
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_the_built_in_ones_are_among_them(name: str) -> None:
    classes = {target.partition(":")[2] for target in plugins.BUILT_IN[name].values()}
    assert classes <= set(importlib.import_module(name).__all__)


@pytest.mark.parametrize("name", MODULES)
def test_importing_it_loads_none_of_it(name: str) -> None:
    program = f"import sys, {name}; print([module for module in sys.modules if module.startswith('{name}.')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
